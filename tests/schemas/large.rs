//! Types with far more fields than fit one frame, which differ in the last.

use ringway::prelude::*;

use crate::support::{Bus, watch};

macro_rules! large {
    ($module:ident, $last:ty) => {
        mod $module {
            use ringway::prelude::*;

            #[derive(Schema, Clone, Copy, Pod, Zeroable)]
            #[repr(C)]
            pub(crate) struct Inner {
                pub(crate) one_of_eight: u64,
                pub(crate) two_of_eight: u64,
                pub(crate) three_of_eight: u64,
                pub(crate) four_of_eight: u64,
                pub(crate) five_of_eight: u64,
                pub(crate) six_of_eight: u64,
                pub(crate) seven_of_eight: u64,
                pub(crate) eight_of_eight: u64,
            }

            #[derive(Schema, Clone, Copy, Pod, Zeroable)]
            #[repr(C)]
            pub(crate) struct Middle {
                pub(crate) first: Inner,
                pub(crate) second: Inner,
                pub(crate) third: Inner,
                pub(crate) fourth: Inner,
                pub(crate) fifth: Inner,
                pub(crate) sixth: Inner,
                pub(crate) seventh: Inner,
                pub(crate) eighth: Inner,
            }

            #[derive(Message, Clone, Copy, Pod, Zeroable)]
            #[message(move, name = "large::Outer")]
            #[repr(C)]
            pub(crate) struct Outer {
                pub(crate) first_long_name: Middle,
                pub(crate) second_long_name: Middle,
                pub(crate) third_long_name: Middle,
                pub(crate) fourth_long_name: Middle,
                pub(crate) fifth_long_name: Middle,
                pub(crate) sixth_long_name: Middle,
                pub(crate) seventh_long_name: Middle,
                pub(crate) eighth_long_name: Middle,
                pub(crate) last: $last,
            }

            #[derive(Actor)]
            #[actor(handles(Outer))]
            pub(crate) struct Store;

            impl Handler<Outer> for Store {
                async fn handle(&mut self, _outer: Outer, _cx: &mut Context<Self>) {}
            }
        }
    };
}

large!(large_there, u64);
large!(large_here, i64);

// Goal: a description that does not fit a frame is cut, and the refusal still arrives.
#[test]
fn a_large_schema_fits_a_frame() {
    let _dog = watch();
    let bus = Bus::new("schemas-large");
    let (there, here) = (bus.attach("there"), bus.attach("here"));
    there
        .actor(large_there::Store)
        .name("store")
        .spawn()
        .unwrap();
    let error = here
        .lookup::<Addr<large_here::Store>>("store")
        .wait()
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("\"large::Outer\" has another schema there (schema 0x"),
        "{text}"
    );
}
