use super::{Collector, FileCollector, FileHeader, Wanted};
use crate::layer::window::Window;
use crate::rootfs::{FactKind, Head};

/// What programs, libraries and scripts are, as the kernel and the dynamic loader see them ([`Head`]). Other files are [`Head::Other`].
pub struct Heads;

/// What the files begin with that have a head.
const MAGIC: [&[u8]; 4] = [b"\x7fELF", b"#!", b"glibc-ld.so.cache", b"ld.so-"];
/// The length of the longest of them.
const LONGEST: usize = 17;

enum OneFile {
    /// The first bytes are not known yet.
    Start { size: u64, bytes: Vec<u8> },
    /// It may have a head.
    Kept(Window),
    /// It has none.
    Other,
}

impl Collector for Heads {
    fn name(&self) -> &'static str {
        "heads"
    }

    fn version(&self) -> u32 {
        1
    }

    fn memory(&self) -> u64 {
        256 << 20
    }

    fn begin(&self, file: &FileHeader<'_>) -> Option<Box<dyn FileCollector + Send>> {
        (file.size > 0).then(|| Box::new(OneFile::Start { size: file.size, bytes: Vec::new() }) as Box<dyn FileCollector + Send>)
    }

    fn apply(&self, found: &str, file: &mut FactKind) -> Result<(), serde_json::Error> {
        if let FactKind::File { head, .. } = file {
            *head = serde_json::from_str(found)?;
        }
        Ok(())
    }
}

impl FileCollector for OneFile {
    fn take(&mut self, bytes: &[u8]) -> Wanted {
        match self {
            Self::Other => Wanted::Enough,
            Self::Kept(window) => window.take(bytes),
            Self::Start { size, bytes: start } => {
                let enough = (*size).min(LONGEST as u64);
                if start.len() as u64 + (bytes.len() as u64) < enough {
                    start.extend_from_slice(bytes);
                    return Wanted::More;
                }
                let first = [start.as_slice(), &bytes[..bytes.len().min(LONGEST)]].concat();
                if !MAGIC.iter().any(|magic| first.starts_with(magic)) {
                    *self = Self::Other;
                    return Wanted::Enough;
                }
                let mut window = Window::new(*size, 0);
                window.take(start);
                let wanted = window.take(bytes);
                *self = Self::Kept(window);
                wanted
            }
        }
    }

    fn finish(self: Box<Self>) -> Option<Box<str>> {
        let Self::Kept(window) = *self else { return None };
        let head = Head::read(&window, window.size()).unwrap_or(Head::Other);
        if head == Head::Other { None } else { serde_json::to_string(&head).ok().map(Into::into) }
    }
}
