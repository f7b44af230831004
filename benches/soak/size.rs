//! Many files, and one large one: seconds and memory.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;

use crate::made::Numbers;
use crate::options::Options;
use crate::run::Ran;
use crate::workshop::{Workshop, noise};

/// The bytes of each of many files.
const SMALL: u64 = 1024;

pub(crate) fn run(options: &Options) -> bool {
    let (work, count) = (options.work(), options.count.unwrap_or(1_000_000));
    let folder = work.path().join("many");
    let workshop = Workshop::new(&folder, &work.path().join("cache"), &["tree".to_owned()], "compression = \"zstd\"");
    let folders = count.div_ceil(1000);
    thread::scope(|scope| {
        for part in 0..4 {
            let folder = &folder;
            scope.spawn(move || (part..folders).step_by(4).for_each(|number| fill(folder, number, count)));
        }
    });
    let ran = workshop.run(&["-q", "build", "-o", "oci:out"]);
    tell(&format!("{count} files of {SMALL} bytes"), &ran);
    let again = workshop.run(&["-q", "build", "-o", "oci:out"]);
    tell("the same again", &again);
    fs::remove_dir_all(&folder).unwrap();
    // A short run has a file in proportion.
    let gigabytes = if count >= 1_000_000 { 10 } else { 1 };
    let folder = work.path().join("large");
    let large = Workshop::new(&folder, &work.path().join("cache"), &["file".to_owned()], "compression = \"zstd\"");
    let file = File::create(folder.join("file")).unwrap();
    file.set_len(gigabytes << 30).unwrap();
    // Mostly holes, with a mebibyte of noise in each sixteen.
    let island = noise(&mut Numbers(options.seed), 1 << 20);
    (0..gigabytes << 6).for_each(|number| file.write_all_at(&island, number << 24).unwrap());
    let one = large.run(&["-q", "build", "-o", "oci:out"]);
    tell(&format!("a file of {gigabytes} GiB"), &one);
    let quick = count < 1_000_000 || ran.time.as_secs_f64() <= 40.0;
    options.in_time(quick) && ran.peak <= 256 << 10 && one.peak <= 64 << 10
}

fn tell(what: &str, ran: &Ran) {
    assert!(ran.good, "{}", ran.err);
    println!("size: {what}: {:.1} s, at most {} MiB of memory", ran.time.as_secs_f64(), ran.peak / 1024);
}

/// Makes a thousand files that compress as text does.
fn fill(folder: &Path, number: u64, count: u64) {
    let inner = folder.join(format!("tree/{number:04}"));
    fs::create_dir_all(&inner).unwrap();
    for file in (number * 1000..count).take(1000) {
        let line = format!("{file} is file number {file} of {count}\n");
        let content: Vec<u8> = line.bytes().cycle().take(usize::try_from(SMALL).unwrap()).collect();
        fs::write(inner.join(format!("{file:07}.txt")), content).unwrap();
    }
}
