//! Networks, registries, disks and inputs that fail: every row of `docs/FAULTS.md` has a test here, whose name begins with the row.
//!
//! Everything is inside the test: a strict registry that fails as it is told, a proxy that fails by chance, files that change. What needs
//! another program or root has its full form in `tests/peers/faults.rs`.

#![expect(clippy::disallowed_methods, reason = "these tests start hardened as its users do; the product starts no program")]
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod answers;
mod chance;
mod client;
mod damage;
mod downloads;
mod files;
mod machine;
#[path = "../support/made.rs"]
mod made;
mod names;
mod order;
#[path = "../support/proxy.rs"]
#[expect(dead_code, reason = "the soak runner asks it for more")]
mod proxy;
#[path = "../support/registry.rs"]
#[expect(dead_code, reason = "the registry suite asks it for more")]
mod registry;
mod rows;
mod sandbox;
mod sharing;
mod slow;
mod uploads;
mod ways;
