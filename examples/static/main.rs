//! Prints a greeting for each argument: a static program that needs only its base.

fn main() {
    let names: Vec<String> = std::env::args().skip(1).collect();
    println!("hello, {}", if names.is_empty() { "world".to_owned() } else { names.join(" and ") });
}
