use super::*;

const PKCS8: &str = "-----BEGIN PRIVATE KEY-----";
const ENDS: &str = "-----END PRIVATE KEY-----";

fn search(bytes: &[u8]) -> Option<FoundKey> {
    KeySearch::new(bytes.len() as u64).take(bytes)
}

fn in_pieces(bytes: &[u8], size: usize) -> Option<FoundKey> {
    let mut search = KeySearch::new(bytes.len() as u64);
    bytes.chunks(size).fold(None, |_, piece| search.take(piece))
}

fn wide(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(unit).collect()
}

fn pem(offset: u64) -> FoundKey {
    FoundKey { offset, form: KeyForm::Pem }
}

#[test]
fn a_header_that_stands_alone_with_its_body_is_a_key() {
    for (text, offset) in [
        ("-----BEGIN PRIVATE KEY-----\nMIIB\n", 0),
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----\r\nMIIB\r\n", 0),
        ("-----BEGIN RSA PRIVATE KEY-----\rMIIB\r", 0),
        ("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,13\n\nMIIB\n", 0),
        ("-----BEGIN EC PRIVATE KEY-----\nMHcC", 0),
        ("-----BEGIN DSA PRIVATE KEY-----\n\nMIIB\n", 0),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE=\n", 0),
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2\n\nlQOYBF\n=ab12\n", 0),
        ("---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nComment: \"one \\\nand two\"\nP2/56wAAAi4\n", 0),
        ("\u{feff}-----BEGIN PRIVATE KEY-----\nMIIB\n", 3),
        ("ssl: |\n\t  -----BEGIN PRIVATE KEY-----  \n\t  MIIB\n", 10),
        ("-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nMIIB\n", 59),
        // It was cut off.
        ("-----BEGIN PRIVATE KEY-----\n", 0),
        ("-----BEGIN PRIVATE KEY-----", 0),
    ] {
        assert_eq!(search(text.as_bytes()), Some(pem(offset)), "{text}");
    }
}

#[test]
fn what_only_names_a_header_is_no_key() {
    for text in [
        "raise ValueError('expected -----BEGIN PRIVATE KEY----- at the start')\nMIIB\n",
        "const BEGIN: &str = \"-----BEGIN PRIVATE KEY-----\\n\";\n",
        "\"\n-----BEGIN PRIVATE KEY-----\\n\"\n",
        "# -----BEGIN PRIVATE KEY-----\n# MIIB\n",
        " * -----BEGIN RSA PRIVATE KEY-----\n * MIIB\n",
        "'''\n-----BEGIN PRIVATE KEY-----\n'''\n",
        "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n",
        "-----BEGIN OPENSSH PRIVATE KEY-----\n<base64-encoded SSH protocol string>\n",
        "-----BEGIN RSA PRIVATE KEY-----\n{{ .Values.key }}\n",
        "-----BEGIN PUBLIC KEY-----\nMIIB\n-----BEGIN CERTIFICATE-----\nMIIB\n",
        "-----END PRIVATE KEY-----\nMIIB\n",
        "-----BEGIN private PRIVATE KEY-----\nMIIB\n",
        "-----BEGIN PRIVATE KEY BLOCK-----\nMIIB\n",
        "-----BEGIN PRIVATE KEY\nMIIB\n",
        "------BEGIN PRIVATE KEY-----\nMIIB\n",
        "a\0-----BEGIN PRIVATE KEY-----\nMIIB\0",
        "\n-----BEGIN PRIVATE KEY-----\0-----END PRIVATE KEY-----\0",
        "-----BEGIN PRIVATE KEY----- MIIB -----END PRIVATE KEY-----\n",
        "{\"private_key\": \"-----BEGIN PRIVATE KEY-----\\n...\"}",
        "private_key = \"-----BEGIN PRIVATE KEY-----\\n\" + body",
        "{\"public\": \"-----BEGIN PRIVATE KEY-----\\nMIIB\\n\"}",
        "{\"private_key\": \"-----BEGIN PUBLIC KEY-----\\nMIIB\\n\"}",
        "x = PuTTY-User-Key-File-3: ssh-rsa\n",
        "AGE-SECRET-KEY-1\n",
        "const PREFIX = \"AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ\"",
        "PRIVATE KEY",
        "",
    ] {
        assert_eq!(search(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn the_value_of_private_key_is_found() {
    for before in [
        "{\"type\":\"service_account\",\"private_key\":\"",
        "{\n  \"private_key\" : \"",
        "{\"privateKey\": \"",
        "CREDENTIALS={\\\"private_key\\\": \\\"",
        "private-key = '",
        "PRIVATE_KEY=",
    ] {
        let breaks = if before.contains('\\') { "\\\\n" } else { "\\n" };
        let text = format!("{before}{PKCS8}{breaks}MIIB{breaks}{ENDS}{breaks}\"}}");
        assert_eq!(search(text.as_bytes()), Some(FoundKey { offset: before.len() as u64, form: KeyForm::Json }), "{text}");
    }
}

#[test]
fn other_textual_keys_are_found() {
    let putty = "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n";
    assert_eq!(search(putty.as_bytes()), Some(FoundKey { offset: 0, form: KeyForm::Putty }));
    let age = format!("# created: 2026-01-01\n# public key: age1q\nAGE-SECRET-KEY-1{}\n", "Q".repeat(58));
    assert_eq!(search(age.as_bytes()), Some(FoundKey { offset: 42, form: KeyForm::Age }));
}

#[test]
fn keys_in_utf16_are_found() {
    let text = format!("Größe\r\n{PKCS8}\r\nMIIB\r\n{ENDS}\r\n");
    for unit in [u16::to_le_bytes, u16::to_be_bytes] {
        let marked = wide(&format!("\u{feff}{text}"), unit);
        assert_eq!(search(&marked), Some(pem(2 * 8)), "with a mark");
        assert_eq!(search(&wide(&text, unit)), Some(pem(2 * 7)), "without one");
        assert_eq!(search(&wide(&format!("\u{feff}{PKCS8}\nMIIB"), unit)), Some(pem(2)));
        assert_eq!(search(&wide(&format!("\u{feff}\"{PKCS8}\"\nMIIB"), unit)), None);
        let late = wide(&format!("{}\n{PKCS8}\nMIIB\n", "x".repeat(70_001)), unit);
        for size in [late.len(), 4096, 1001] {
            assert_eq!(in_pieces(&late, size), Some(pem(2 * 70_002)), "in pieces of {size}");
        }
    }
}

#[test]
fn a_key_is_found_wherever_the_bytes_are_cut() {
    let text = format!("{}\n\t{PKCS8}\nMIIB\n{ENDS}\n{}", "#".repeat(20_000), "#".repeat(3000));
    let named = format!("{}'\n{PKCS8}\n'{}", "#".repeat(20_000), "#".repeat(3000));
    for cut in 19_900..21_200 {
        for (text, expected) in [(&text, Some(pem(20_002))), (&named, None)] {
            let mut search = KeySearch::new(text.len() as u64);
            let (one, other) = text.as_bytes().split_at(cut);
            search.take(one);
            assert_eq!(search.take(other), expected, "{cut}");
        }
    }
    // What is too far away to be judged by is so however the bytes come.
    for text in [
        format!("\n{}{PKCS8}\nMIIB\n", " ".repeat(600)),
        format!("\n{PKCS8}{}...\n", "\n".repeat(2000)),
        format!("x{}{PKCS8}\nMIIB\n", "\t".repeat(3000)),
    ] {
        for size in [1, 100, 1500] {
            assert_eq!(in_pieces(text.as_bytes(), size), search(text.as_bytes()), "{size}");
        }
    }
    for size in [1, 7, 511, 1024, 4096, 65_536] {
        assert_eq!((in_pieces(text.as_bytes(), size), in_pieces(named.as_bytes(), size)), (Some(pem(20_002)), None), "{size}");
    }
    let short = format!("{PKCS8}\nMIIB");
    for size in 1..short.len() {
        assert_eq!(in_pieces(short.as_bytes(), size), Some(pem(0)), "{size}");
    }
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut bytes = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => bytes.push(short),
        Ok(long) => bytes.extend([0x81, long]),
        Err(_) => bytes.extend([&[0x82][..], &u16::try_from(length).unwrap().to_be_bytes()].concat()),
    }
    [bytes, content.to_vec()].concat()
}

fn numbers(lengths: &[usize]) -> Vec<u8> {
    lengths.iter().flat_map(|length| element(0x02, &vec![0x5a; *length])).collect()
}

#[test]
fn keys_in_der_are_found_and_their_like_are_not() {
    let zero = element(0x02, &[0]);
    let one = element(0x02, &[1]);
    let name = element(0x06, b"\x2b\x65\x70");
    let pbes2 = element(0x30, &element(0x06, b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d"));
    let sha256 = element(0x30, &element(0x06, b"\x60\x86\x48\x01\x65\x03\x04\x02\x01"));
    let octets = element(0x04, &[7; 34]);
    let whole = |parts: &[&[u8]]| element(0x30, &parts.concat());
    let found = Some(FoundKey { offset: 0, form: KeyForm::Der });
    let pkcs8 = whole(&[&zero, &element(0x30, &name), &octets]);
    for (kind, bytes, expected) in [
        ("PKCS#8", pkcs8.clone(), found),
        ("PKCS#8, encrypted", whole(&[&pbes2, &element(0x04, &[9; 300])]), found),
        ("RSA", whole(&[&zero, &numbers(&[257, 3, 256, 129, 129, 128, 128, 128])]), found),
        ("DSA", whole(&[&zero, &numbers(&[129, 21, 128, 128, 20])]), found),
        ("SEC 1", whole(&[&one, &element(0x04, &[7; 32]), &element(0xa0, &name)]), found),
        ("more behind it", [pkcs8.clone(), vec![0; 9]].concat(), None),
        ("cut off", pkcs8[..pkcs8.len() - 1].to_vec(), None),
        ("a public RSA key", whole(&[&numbers(&[257, 3])]), None),
        ("a public key", whole(&[&element(0x30, &name), &element(0x03, &[0; 33])]), None),
        ("a digest", whole(&[&sha256, &octets]), None),
        ("a certificate", whole(&[&element(0x30, &numbers(&[1, 20])), &element(0x30, &name), &element(0x03, &[0; 65])]), None),
        ("parameters", whole(&[&numbers(&[257, 33, 257])]), None),
        ("nothing", vec![0x30, 0], None),
        ("a length of length", vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff], None),
    ] {
        assert_eq!(search(&bytes), expected, "{kind}");
        assert_eq!(in_pieces(&bytes, 5), expected, "{kind}, in pieces");
    }
}

#[test]
fn a_store_is_found_when_it_has_a_key() {
    let data = |content: &[u8]| {
        let data = [element(0x06, b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"), element(0xa0, &element(0x04, content))].concat();
        element(0x30, &[element(0x02, &[3]), element(0x30, &data)].concat())
    };
    let bag = |kind: u8| element(0x06, &[&b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01"[..], &[kind]].concat());
    let padding = vec![0x55; 30_000];
    for (kind, expected) in [(1, true), (2, true), (3, false)] {
        let store = data(&[&padding[..], &bag(kind)].concat());
        assert_eq!(search(&store), expected.then_some(FoundKey { offset: 0, form: KeyForm::Pkcs12 }), "{kind}");
        assert_eq!(in_pieces(&store, 4096).is_some(), expected, "{kind}");
        let indefinite = [&[0x30, 0x80][..], &store[4..]].concat();
        assert_eq!(search(&indefinite).is_some(), expected, "{kind}");
    }
    assert_eq!(search(&[&b"\x30\x03\x02\x01\x03"[..], &bag(1)].concat()), None);
}

#[test]
fn secret_keys_of_openpgp_are_found() {
    let rsa = [&b"\x04\x5f\x00\x00\x00\x01\x08\x00"[..], &[0xc1; 256], b"\x00\x11\x01\x00\x01", &[7; 600]].concat();
    let curve = [&b"\x04\x5f\x00\x00\x00\x16\x09\x2b\x06\x01\x04\x01\xda\x47\x0f\x01\x01\x07\x40"[..], &[7; 32], &[9; 40]].concat();
    let old = |body: &[u8]| [&[0x95][..], &u16::try_from(body.len()).unwrap().to_be_bytes(), body].concat();
    let new = |body: &[u8]| [&[0xc5, 0xff][..], &u32::try_from(body.len()).unwrap().to_be_bytes(), body].concat();
    let identity = b"\xb4\x04name";
    let found = Some(FoundKey { offset: 0, form: KeyForm::OpenPgp });
    for body in [&rsa, &curve] {
        for bytes in [old(body), new(body)] {
            assert_eq!(search(&bytes), found);
            assert_eq!(search(&[&bytes[..], identity].concat()), found);
            assert_eq!(search(&[&bytes[..], b"text"].concat()), None, "no packet follows");
            assert_eq!(search(&bytes[..bytes.len() - 1]), None, "it is cut off");
        }
    }
    let mut public = old(&rsa);
    public[0] = 0x99;
    assert_eq!(search(&public), None);
    let mut wrong = old(&rsa);
    wrong[9] = 1;
    assert_eq!(search(&wrong), None, "a number that is not as long as it says");
}

#[test]
fn bytes_at_random_are_no_key() {
    let mut state = 1_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    for round in 0..40_000 {
        let mut bytes: Vec<u8> = (0..200).map(|_| next()).collect();
        // What makes the readers look closer.
        bytes[0] = [0x30, 0x95, 0xc5, 0x94, 0xff][round % 5];
        bytes[1] = if round % 2 == 0 { 0xfe } else { 0x81 };
        bytes[2] = 197;
        assert_eq!(search(&bytes), None, "{bytes:?}");
    }
}
