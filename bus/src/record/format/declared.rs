//! The bodies of declarations: topics and publishers.

use super::DESCRIPTION_MAX;
use super::fields::Fields;

/// A topic of a recording: its name, and what its samples are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedTopic {
    /// The topic's name.
    pub name: String,
    /// The message's name.
    pub message: String,
    /// The message's id.
    pub type_id: u64,
    /// The hash of its schema.
    pub schema: u64,
    /// How its values are encoded, as the byte of an entry.
    pub semantics: u8,
    /// Pieces of a payload that a slot of the topic's lanes has room for behind the entry.
    pub pieces: u8,
    /// The schema in words: what [`Description::encode`](crate::message::Description::encode) made of it.
    pub description: Vec<u8>,
}

impl RecordedTopic {
    /// `None` if its texts are too long.
    pub(in crate::record) fn encode(&self, id: u32) -> Option<Vec<u8>> {
        let name_len = u16::try_from(self.name.len()).ok()?;
        let message_len = u16::try_from(self.message.len()).ok()?;
        let description_len = u32::try_from(self.description.len()).ok()?;
        if self.description.len() > DESCRIPTION_MAX {
            return None;
        }
        let mut out = Vec::new();
        out.extend(id.to_le_bytes());
        out.extend(name_len.to_le_bytes());
        out.extend(message_len.to_le_bytes());
        out.extend(self.type_id.to_le_bytes());
        out.extend(self.schema.to_le_bytes());
        out.extend([self.semantics, self.pieces, 0, 0]);
        out.extend(description_len.to_le_bytes());
        out.extend(self.name.as_bytes());
        out.extend(self.message.as_bytes());
        out.extend(&self.description);
        Some(out)
    }

    pub(in crate::record) fn decode(body: &[u8]) -> Option<(u32, Self)> {
        let mut fields = Fields(body);
        let id = fields.u32()?;
        let (name_len, message_len) = (fields.u16()?, fields.u16()?);
        let (type_id, schema) = (fields.u64()?, fields.u64()?);
        let (semantics, pieces) = (fields.u8()?, fields.u8()?);
        fields.take(2)?;
        let description_len = usize::try_from(fields.u32()?).ok()?;
        let name = fields.text(name_len)?;
        let message = fields.text(message_len)?;
        let description = fields.take(description_len)?.to_vec();
        let topic = Self {
            name,
            message,
            type_id,
            schema,
            semantics,
            pieces,
            description,
        };
        fields.0.is_empty().then_some((id, topic))
    }
}

/// A publisher of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordedPublisher {
    /// Which of the recording's topics it published.
    pub topic: u32,
    /// The node that it was of.
    pub node: u64,
    /// Its number there.
    pub number: u64,
}

impl RecordedPublisher {
    pub(in crate::record) fn encode(&self, id: u32) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(id.to_le_bytes());
        out.extend(self.topic.to_le_bytes());
        out.extend(self.node.to_le_bytes());
        out.extend(self.number.to_le_bytes());
        out
    }

    pub(in crate::record) fn decode(body: &[u8]) -> Option<(u32, Self)> {
        let mut fields = Fields(body);
        let id = fields.u32()?;
        let publisher = Self {
            topic: fields.u32()?,
            node: fields.u64()?,
            number: fields.u64()?,
        };
        fields.0.is_empty().then_some((id, publisher))
    }
}
