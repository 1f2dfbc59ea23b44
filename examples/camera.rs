//! A camera and who looks at it, each a process of its own: frames of 1920x1080 pixels, each written once and read in place by all.
//!
//! - the **viewer** writes every 30th frame as a PNG;
//! - the **recorder** must not miss one: the camera waits for it. It keeps a small copy of each in a file;
//! - the **detector** looks for the ball in the newest frame and drops those that it was too slow for; where it saw the ball it
//!   publishes itself, and the camera's process listens.
//!
//! ```sh
//! cargo run --release --example camera             # the files go to a directory that is removed at the end
//! cargo run --release --example camera -- pictures # they stay in ./pictures
//! ```
#![forbid(unsafe_code)]

mod own_bus;

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write as _};
use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{env, process};

use ringway::prelude::*;

use own_bus::OwnBus;

const WIDTH: usize = 1920;
const HEIGHT: usize = 1080;
/// The same, as a PNG has it.
const SIZE: (u32, u32) = (1920, 1080);
/// Bytes of a pixel: red, green, blue.
const PIXEL: usize = 3;
const FRAMES: u64 = 90;
/// The viewer writes each frame whose number is a multiple of this.
const SHOWN: u64 = 30;
/// Of so many pixels, across and down, the recorder keeps one.
const SPARSE: usize = 8;
/// Half the side of the ball, which is a square.
const BALL: usize = 20;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What stands before a frame's pixels.
#[derive(Schema, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct FrameInfo {
    number: u64,
    /// 1 in the last frame.
    is_last: u64,
}

#[derive(Message)]
#[message(copy, header = FrameInfo)]
#[repr(transparent)]
struct Frame([u8]);

/// Where the ball was seen.
#[derive(Message, Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Ball {
    frame: u64,
    x: u64,
    y: u64,
}

impl Ball {
    /// Where it is in that frame.
    fn in_frame(frame: u64) -> Self {
        let within = |step: u64, side: usize| {
            let room = (side - 2 * BALL) as u64;
            BALL as u64 + frame * step % room
        };
        let (x, y) = (within(31, WIDTH), within(17, HEIGHT));
        Self { frame, x, y }
    }
}

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    match arguments.next().as_deref() {
        Some("viewer") => view(),
        Some("recorder") => record(),
        Some("detector") => detect(),
        folder => film(folder.map(Path::new)),
    }
}

/// Where the files of the camera's process are written.
fn scratch(camera: u32) -> PathBuf {
    env::temp_dir().join(format!("ringway-camera-files-{camera}"))
}

/// The picture that the camera sees: a slope of colours, and the ball before it.
fn draw(number: u64, pixels: &mut [u8]) {
    let shade = number.to_le_bytes()[0];
    let row: Vec<u8> = (0..WIDTH)
        .flat_map(|x| [(x / 16).to_le_bytes()[0], shade, 64])
        .collect();
    for line in pixels.chunks_exact_mut(WIDTH * PIXEL) {
        line.copy_from_slice(&row);
    }
    let ball = Ball::in_frame(number);
    let [x, y] = [ball.x, ball.y].map(|it| usize::try_from(it).expect("within the frame"));
    for line in y - BALL..y + BALL {
        let from = (line * WIDTH + x - BALL) * PIXEL;
        pixels[from..from + 2 * BALL * PIXEL].fill(255);
    }
}

fn film(folder: Option<&Path>) -> Result<()> {
    let files = scratch(process::id());
    fs::create_dir(&files)?;
    let bus = OwnBus::new("camera");
    let mut processes = Vec::new();
    for role in ["viewer", "recorder", "detector"] {
        processes.push(bus.start(role)?);
    }
    let node = Node::attach(bus.config().named("camera").heap_limit(256 << 20))?;
    let mut balls = node
        .topic::<Ball>("camera/ball")?
        .subscriber()
        .depth(128)
        .wait()?;
    let camera = node
        .topic::<Frame>("camera/frames")?
        .publisher()
        .samples(8)
        .wait()?;
    block_on(camera.wait_for_subscribers(3));

    let started = Instant::now();
    for number in 1..=FRAMES {
        let mut frame = camera.loan(WIDTH * HEIGHT * PIXEL)?; // in memory that all of them can read
        *frame.header_mut() = FrameInfo {
            number,
            is_last: u64::from(number == FRAMES),
        };
        draw(number, &mut frame);
        camera.publish(frame).wait()?; // waits while viewer or recorder is four frames behind
    }
    let mut seen = 0;
    for ball in balls.blocking() {
        assert_eq!(*ball, Ball::in_frame(ball.frame));
        seen += 1;
        if ball.frame == FRAMES {
            break;
        }
    }
    for process in &mut processes {
        assert!(process.wait()?.success());
    }
    let took = started.elapsed();
    println!("{FRAMES} frames to three processes in {took:.1?}");
    println!("the detector looked at {seen} of them, the newest each time");

    for number in (SHOWN..=FRAMES).filter(|it| it % SHOWN == 0) {
        let mut expected = vec![0; WIDTH * HEIGHT * PIXEL];
        draw(number, &mut expected);
        let path = files.join(name(number));
        let bytes = fs::metadata(&path)?.len();
        assert!(read_png(&path)? == expected, "as the camera drew it");
        println!("{}: {bytes} bytes, as it was filmed", name(number));
    }
    match folder {
        None => fs::remove_dir_all(files)?,
        Some(folder) => {
            fs::create_dir_all(folder)?;
            for file in fs::read_dir(&files)? {
                let file = file?;
                fs::copy(file.path(), folder.join(file.file_name()))?;
            }
            fs::remove_dir_all(files)?;
            println!("the files are in {}", folder.display());
        }
    }
    Ok(())
}

fn name(number: u64) -> String {
    format!("frame-{number:03}.png")
}

/// Writes every so manieth frame as a PNG, from where the camera has put it.
fn view() -> Result<()> {
    let node = Node::attach("demo")?;
    let mut frames = node
        .topic::<Frame>("camera/frames")?
        .subscriber()
        .depth(4)
        .wait()?;
    for frame in frames.blocking() {
        let FrameInfo { number, is_last } = *frame.header();
        assert_eq!(frame.missed_before(), 0);
        if number % SHOWN == 0 {
            let file = BufWriter::new(File::create(scratch(parent_id()).join(name(number)))?);
            let mut png = png::Encoder::new(file, SIZE.0, SIZE.1);
            png.set_color(png::ColorType::Rgb);
            png.set_compression(png::Compression::Fast);
            let mut png = png.write_header()?;
            png.write_image_data(&frame)?;
            png.finish()?;
        }
        if is_last == 1 {
            break;
        }
    }
    Ok(())
}

fn read_png(path: &Path) -> Result<Vec<u8>> {
    let png = png::Decoder::new(BufReader::new(File::open(path)?));
    let mut png = png.read_info()?;
    let mut pixels = vec![0; png.output_buffer_size().ok_or("too large")?];
    let found = png.next_frame(&mut pixels)?;
    assert_eq!((found.width, found.height), SIZE);
    Ok(pixels)
}

/// Keeps a small copy of each frame, and misses none.
fn record() -> Result<()> {
    let node = Node::attach("demo")?;
    let mut frames = node
        .topic::<Frame>("camera/frames")?
        .subscriber()
        .depth(4)
        .wait()?;
    let path = scratch(parent_id()).join("recording.rgb");
    let mut file = BufWriter::new(File::create(&path)?);
    let mut next = 1;
    for frame in frames.blocking() {
        assert_eq!((frame.header().number, frame.missed_before()), (next, 0));
        next += 1;
        for line in frame.chunks_exact(WIDTH * PIXEL).step_by(SPARSE) {
            for pixel in line.chunks_exact(PIXEL).step_by(SPARSE) {
                file.write_all(pixel)?;
            }
        }
        if frame.header().is_last == 1 {
            break;
        }
    }
    file.flush()?;
    let small = (WIDTH / SPARSE) * (HEIGHT / SPARSE) * PIXEL;
    assert_eq!(
        (next - 1, fs::metadata(path)?.len()),
        (FRAMES, FRAMES * small as u64)
    );
    Ok(())
}

/// Looks for the ball in the newest frame, whichever that is by then.
fn detect() -> Result<()> {
    let node = Node::attach("demo")?;
    let balls = node.topic::<Ball>("camera/ball")?.publisher().wait()?;
    let frames = node.topic::<Frame>("camera/frames")?.subscriber();
    let mut all = 0;
    for frame in frames.depth(1).drop_oldest().wait()?.blocking() {
        all += 1 + frame.missed_before();
        assert_eq!(all, frame.header().number, "what it did not see is counted");
        let ball = find(&frame).ok_or("a frame without a ball")?;
        let frame_number = frame.header().number;
        balls
            .publish(Ball {
                frame: frame_number,
                ..ball
            })
            .wait()?;
        if frame.header().is_last == 1 {
            break;
        }
    }
    assert_eq!(all, FRAMES);
    Ok(())
}

/// The middle of what is white.
fn find(pixels: &[u8]) -> Option<Ball> {
    let (mut count, mut sum_x, mut sum_y) = (0, 0, 0);
    for (y, line) in (0_u64..).zip(pixels.chunks_exact(WIDTH * PIXEL)) {
        for (x, pixel) in (0_u64..).zip(line.chunks_exact(PIXEL)) {
            if pixel == [255; PIXEL] {
                count += 1;
                sum_x += x;
                sum_y += y;
            }
        }
    }
    (count > 0).then(|| Ball {
        frame: 0,
        x: sum_x / count + 1,
        y: sum_y / count + 1,
    })
}
