//! The builds after the first, over a tree like `node_modules`.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::made::Numbers;
use crate::options::Options;
use crate::run::Ran;
use crate::workshop::{Workshop, files, median};

pub(crate) fn run(options: &Options) -> bool {
    let work = options.work();
    let folder = work.path().join("project");
    fs::create_dir_all(&folder).unwrap();
    let tree = folder.join("node_modules");
    match &options.tree {
        Some(given) => copy(given, &tree),
        None => make(&tree, options.count.unwrap_or(18_000)),
    }
    let size: u64 = files(&tree).iter().filter_map(|path| fs::symlink_metadata(path).ok()).map(|found| found.len()).sum();
    println!("second: {} files, {} MB", files(&tree).len(), size / 1_000_000);
    let mut good = true;
    for (name, layers, bar) in [("one layer", "compression = \"zstd\"", 0.7), ("split", "compression = \"zstd\"\nsplit = \"auto\"", 0.35)] {
        let workshop = Workshop::new(&folder, &work.path().join("cache"), &["node_modules".to_owned()], layers);
        let build = || workshop.run(&["-q", "--format", "json", "build", "-o", "oci:out:1"]);
        let first = build();
        settle();
        let unchanged = median((0..5).map(|_| seconds(&build())).collect());
        let (mut changed, mut sent) = (Vec::new(), Vec::new());
        for path in chosen(&tree) {
            let mut content = fs::read(&path).unwrap();
            content.push(b'\n');
            fs::write(&path, content).unwrap();
            settle();
            let ran = build();
            changed.push(seconds(&ran));
            sent.push(uploaded(&ran));
        }
        let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
        println!(
            "second, {name}: first {:.2} s; nothing changed {unchanged:.3} s; one file changed {:.3} s in the middle, {:.3} s at most, {:.1} % of the image new on average, {:.1} % at most",
            seconds(&first),
            median(changed.clone()),
            most(&changed),
            sent.iter().sum::<f64>() / f64::from(u32::try_from(sent.len()).unwrap()),
            most(&sent)
        );
        good &= options.in_time(unchanged <= 0.15 && median(changed) <= bar) && (name != "split" || most(&sent) <= 8.0);
    }
    good
}

fn seconds(ran: &Ran) -> f64 {
    assert!(ran.good, "{}", ran.err);
    ran.time.as_secs_f64()
}

/// Makes files old enough to be known by their times.
fn settle() {
    thread::sleep(Duration::from_millis(100));
}

/// Nine files under a mebibyte, spread over the tree.
fn chosen(tree: &Path) -> Vec<PathBuf> {
    let mut all = files(tree);
    all.retain(|path| fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.len() < 1 << 20));
    all.retain(|path| path.extension().is_some_and(|ending| ending == "js"));
    all.sort();
    (1..10).map(|part| all[all.len() * part / 10].clone()).collect()
}

/// Returns how much of the image was new, in percent.
fn uploaded(ran: &Ran) -> f64 {
    let built: Value = serde_json::from_str(&ran.out).unwrap();
    let sum = |found: Vec<&Value>| found.iter().map(|one| one["size"].as_f64().unwrap()).sum::<f64>();
    let layers = built["platforms"][0]["layers"].as_array().unwrap().iter().collect();
    let new = built["uploads"].as_array().unwrap().iter().filter(|upload| upload["status"] == "uploaded").collect();
    100.0 * sum(new) / sum(layers)
}

/// Makes files as many and as large as those of a real tree, that compress about as well.
fn make(tree: &Path, count: u64) {
    let mut numbers = Numbers(430);
    for number in 0..count {
        // Most are small, a few are megabytes.
        let size = match number % 1000 {
            0 => 7_000_000,
            1..=20 => 200_000,
            21..=200 => 40_000,
            _ => 2000 + numbers.below(8000),
        };
        let path = tree.join(format!("package-{}/lib/file-{number}.js", number % 700));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, numbers.bytes(size)).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (source, target, kind) = (entry.path(), to.join(entry.file_name()), entry.file_type().unwrap());
        if kind.is_dir() {
            copy(&source, &target);
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source).unwrap(), target).unwrap();
        } else {
            fs::copy(&source, &target).unwrap();
        }
    }
}
