//! Prints what it was asked to greet, as a static program does that needs nothing but its base.

fn main() {
    let names: Vec<String> = std::env::args().skip(1).collect();
    println!("hello, {}", if names.is_empty() { "world".to_owned() } else { names.join(" and ") });
}
