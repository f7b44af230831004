//! A registry that is a round trip of 100 ms away.

use std::fs;
use std::time::Duration;

use crate::options::Options;
use crate::proxy::FarLine;
use crate::registry::{Guard, TestRegistry};
use crate::workshop::{Workshop, median};

const ROUND_TRIP: Duration = Duration::from_millis(100);

pub(crate) fn run(options: &Options) -> bool {
    let (work, count) = (options.work(), options.count.unwrap_or(5));
    let inside = options.registry.is_none().then(|| TestRegistry::lasting(Duration::from_mins(30), Guard::Open, |_, _| None));
    let upstream = options.registry.clone().unwrap_or_else(|| inside.as_ref().unwrap().host().to_owned());
    let line = FarLine::start(&upstream, ROUND_TRIP);
    let workshop = Workshop::eight(&work.path().join("image"), &work.path().join("cache"), 4 << 20, options.seed);
    let tag = |name: &str| format!("{}/soak/delay-{}:{name}", line.host(), options.seed);
    let trips = |times: Vec<f64>| median(times) / ROUND_TRIP.as_secs_f64();
    let unchanged = tag("1");
    workshop.run(&["build", "--push", "-t", &unchanged]).digest();
    workshop.run(&["build", "-o", "oci:out:1"]).digest();
    let times = |arguments: &[&str]| -> Vec<f64> {
        (0..count)
            .map(|_| {
                let ran = workshop.run(arguments);
                assert!(ran.good, "{}", ran.err);
                ran.time.as_secs_f64()
            })
            .collect()
    };
    let unchanged_build = trips(times(&["build", "--push", "-t", &unchanged]));
    let unchanged_push = trips(times(&["push", "oci:out:1", &unchanged]));
    let mut number = 0;
    let new_tags = (0..count).map(|_| {
        number += 1;
        let ran = workshop.run(&["push", "oci:out:1", &tag(&format!("new-{number}"))]);
        assert!(ran.good, "{}", ran.err);
        ran.time.as_secs_f64()
    });
    let new_tag = trips(new_tags.collect());
    println!(
        "delay: an unchanged image, the connection's round trip included: build and push {unchanged_build:.2} round trips, push {unchanged_push:.2}; under a new tag {new_tag:.2}"
    );
    drop(workshop);

    // Eight equal layers: what is built, what is pushed, and both at once, each from nothing.
    let mut worst: f64 = 0.0;
    for round in 0..count.min(3) {
        let folder = work.path().join(format!("equal-{round}"));
        let workshop = Workshop::eight(&folder, &folder.join("cache"), 48 << 20, options.seed + round);
        let (together, apart) = (tag(&format!("together-{round}")), tag(&format!("apart-{round}")));
        let repository = |tag: &str, name: &str| tag.replacen("/soak/", &format!("/{name}-{round}/"), 1);
        let both = workshop.run(&["build", "--push", "-t", &repository(&together, "together")]);
        fs::remove_dir_all(folder.join("cache")).unwrap();
        let build = workshop.run(&["build", "-o", "oci:out:1"]);
        let push = workshop.run(&["push", "oci:out:1", &repository(&apart, "apart")]);
        assert!(both.good && build.good && push.good, "{}{}{}", both.err, build.err, push.err);
        let (both, build, push) = (both.time.as_secs_f64(), build.time.as_secs_f64(), push.time.as_secs_f64());
        let ratio = both / build.max(push);
        worst = worst.max(ratio);
        println!("delay: eight equal layers: build {build:.2} s, push {push:.2} s, both at once {both:.2} s: {ratio:.2} times the longer");
        fs::remove_dir_all(folder).unwrap();
    }
    options.in_time(unchanged_build <= 3.0 && unchanged_push <= 3.0 && worst <= 1.2)
}
