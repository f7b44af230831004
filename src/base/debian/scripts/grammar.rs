use super::syntax::{Node, Part, Redirect, RedirectKind, Script, Simple, Word};
use super::words::{Pending, Reader, Unreadable};

/// How many parts a chain of `&&` and `||`, a `case` or an `if` may have.
const PARTS: usize = 500;

/// Reads a script of sh.
///
/// # Errors
/// When it is not in the syntax of sh; what only bash has is read as far as it is common.
pub(super) fn parse(text: &str) -> Result<Script, Unreadable> {
    let mut reader = Reader::new(text);
    let commands = reader.list(&[])?;
    if reader.peek().is_some() {
        return reader.unreadable();
    }
    Ok(Script { commands, here: reader.here })
}

impl Reader<'_> {
    /// Reads commands up to one of these words or signs, or the end.
    pub(super) fn list(&mut self, ends: &[&str]) -> Result<Vec<Node>, Unreadable> {
        self.deeper()?;
        let mut commands = Vec::new();
        loop {
            self.lines()?;
            if self.peek().is_none() || ends.iter().any(|end| self.is_at(end)) {
                self.depth -= 1;
                return Ok(commands);
            }
            let start = self.at;
            commands.push(self.and_or()?);
            self.blank();
            match self.peek() {
                Some(b';' | b'&') if !self.looks_at(";;") && !self.looks_at("&&") => self.at += 1,
                Some(b'\n') => self.newline()?,
                _ if self.at == start => return self.unreadable(),
                _ => {}
            }
        }
    }

    /// Skips blanks and ends of lines.
    fn lines(&mut self) -> Result<(), Unreadable> {
        self.blank();
        while self.peek() == Some(b'\n') {
            self.newline()?;
            self.blank();
        }
        Ok(())
    }

    /// Says whether a reserved word or sign stands here.
    fn is_at(&self, end: &str) -> bool {
        if matches!(end, ")" | ";;") { self.looks_at(end) } else { self.reserved() == end }
    }

    /// Returns the text that stands here, up to the end of a word.
    fn reserved(&self) -> &str {
        let rest = &self.text[self.at..];
        let length = rest.iter().position(|byte| b" \t\r\n;&|()<>".contains(byte)).unwrap_or(rest.len());
        std::str::from_utf8(&rest[..length]).unwrap_or_default()
    }

    fn must_be(&mut self, word: &str) -> Result<(), Unreadable> {
        self.lines()?;
        if !self.is_at(word) {
            return self.unreadable();
        }
        self.at += word.len();
        Ok(())
    }

    fn and_or(&mut self) -> Result<Node, Unreadable> {
        let mut left = self.pipeline()?;
        for _ in 0..PARTS {
            self.blank();
            let is_and = self.looks_at("&&");
            if !is_and && !self.looks_at("||") {
                return Ok(left);
            }
            self.at += 2;
            self.lines()?;
            let (one, other) = (Box::new(left), Box::new(self.pipeline()?));
            left = if is_and { Node::And(one, other) } else { Node::Or(one, other) };
        }
        self.unreadable()
    }

    fn pipeline(&mut self) -> Result<Node, Unreadable> {
        self.blank();
        if self.reserved() == "!" {
            self.at += 1;
            self.deeper()?;
            let node = self.pipeline()?;
            self.depth -= 1;
            return Ok(Node::Not(Box::new(node)));
        }
        let mut commands = vec![self.command()?];
        loop {
            self.blank();
            if self.peek() != Some(b'|') || self.looks_at("||") {
                break;
            }
            self.at += 1 + usize::from(self.looks_at("|&"));
            self.lines()?;
            commands.push(self.command()?);
        }
        Ok(if commands.len() == 1 { commands.remove(0) } else { Node::Pipe(commands) })
    }

    fn command(&mut self) -> Result<Node, Unreadable> {
        self.deeper()?;
        let node = match self.reserved() {
            "if" => self.when()?,
            "case" => self.case()?,
            "for" => self.each()?,
            "while" | "until" => {
                self.at += 5;
                let condition = self.list(&["do"])?;
                Node::While { condition, body: self.body()? }
            }
            "{" => {
                self.at += 1;
                let commands = self.list(&["}"])?;
                self.must_be("}")?;
                Node::Group(commands)
            }
            "[[" => {
                self.skip_past("]]")?;
                Node::Condition
            }
            "function" => {
                self.at += 8;
                self.blank();
                let name = self.reserved().to_owned();
                self.at += name.len();
                self.function(name)?
            }
            word => match self.peek() {
                Some(b'(') if self.looks_at("((") => {
                    self.skip_to(b'(', b')')?;
                    Node::Condition
                }
                Some(b'(') => {
                    self.at += 1;
                    let commands = self.list(&[")"])?;
                    self.must_be(")")?;
                    Node::Subshell(commands)
                }
                _ if self.names_function(word) => {
                    let name = word.to_owned();
                    self.at += name.len();
                    self.function(name)?
                }
                _ => return self.simple().inspect(|_| self.depth -= 1),
            },
        };
        self.depth -= 1;
        let mut redirects = Vec::new();
        self.blank();
        while self.redirect(&mut redirects)? {
            self.blank();
        }
        Ok(if redirects.is_empty() { node } else { Node::Redirected(Box::new(node), redirects) })
    }

    /// Says whether a word is the name of a function that is defined here.
    fn names_function(&self, word: &str) -> bool {
        let behind = self.text[self.at + word.len()..].trim_ascii_start();
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)) && {
            behind.first() == Some(&b'(') && behind[1..].trim_ascii_start().first() == Some(&b')')
        }
    }

    fn function(&mut self, name: String) -> Result<Node, Unreadable> {
        self.blank();
        if self.peek() == Some(b'(') {
            self.skip_to(b'(', b')')?;
        }
        self.lines()?;
        Ok(Node::Function { name, body: Box::new(self.command()?) })
    }

    fn when(&mut self) -> Result<Node, Unreadable> {
        self.at += 2;
        let mut arms = Vec::new();
        while arms.len() < PARTS {
            let condition = self.list(&["then"])?;
            self.must_be("then")?;
            arms.push((condition, self.list(&["elif", "else", "fi"])?));
            if self.reserved() != "elif" {
                break;
            }
            self.at += 4;
        }
        let mut otherwise = Vec::new();
        if self.reserved() == "else" {
            self.at += 4;
            otherwise = self.list(&["fi"])?;
        }
        self.must_be("fi")?;
        Ok(Node::If { arms, otherwise })
    }

    fn case(&mut self) -> Result<Node, Unreadable> {
        self.at += 4;
        self.blank();
        let Some(word) = self.word()? else { return self.unreadable() };
        self.must_be("in")?;
        let mut arms = Vec::new();
        while arms.len() < PARTS {
            self.lines()?;
            if self.reserved() == "esac" {
                self.at += 4;
                return Ok(Node::Case { word, arms });
            }
            if self.peek() == Some(b'(') {
                self.at += 1;
            }
            let mut patterns = Vec::new();
            loop {
                self.blank();
                patterns.extend(self.word()?);
                self.blank();
                match self.peek() {
                    Some(b'|') => self.at += 1,
                    Some(b')') => break,
                    _ => return self.unreadable(),
                }
            }
            self.at += 1;
            arms.push((patterns, self.list(&[";;", "esac"])?));
            if self.looks_at(";;") {
                self.at += 2;
            }
        }
        self.unreadable()
    }

    fn each(&mut self) -> Result<Node, Unreadable> {
        self.at += 3;
        self.blank();
        let name = self.reserved().to_owned();
        self.at += name.len();
        self.lines()?;
        let mut words = None;
        if self.reserved() == "in" {
            self.at += 2;
            self.blank();
            let found = words.insert(Vec::new());
            while let Some(word) = self.word()? {
                found.push(word);
                self.blank();
            }
        }
        if self.peek() == Some(b';') {
            self.at += 1;
        }
        Ok(Node::For { name, words, body: self.body()? })
    }

    fn body(&mut self) -> Result<Vec<Node>, Unreadable> {
        self.must_be("do")?;
        let commands = self.list(&["done"])?;
        self.must_be("done")?;
        Ok(commands)
    }

    fn simple(&mut self) -> Result<Node, Unreadable> {
        let mut simple = Simple { line: self.current_line(), ..Simple::default() };
        loop {
            self.blank();
            if self.redirect(&mut simple.redirects)? {
                continue;
            }
            if simple.words.is_empty()
                && let Some(name) = self.assigned()
            {
                self.at += name.len() + 1;
                let mut value = Word::default();
                if self.peek() == Some(b'(') {
                    self.skip_to(b'(', b')')?;
                    value.0.push(Part::Unread(format!("${name}")));
                } else {
                    value = self.word()?.unwrap_or_default();
                }
                simple.assignments.push((name, value));
                continue;
            }
            let Some(word) = self.word()? else { break };
            simple.words.push(word);
        }
        if simple.words.is_empty() && simple.assignments.is_empty() && simple.redirects.is_empty() {
            return self.unreadable();
        }
        Ok(Node::Simple(simple))
    }

    /// Returns the variable that is assigned here.
    fn assigned(&self) -> Option<String> {
        let rest = &self.text[self.at..];
        let length = rest.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')?;
        let is_name = length > 0 && !rest[0].is_ascii_digit() && rest[length] == b'=';
        is_name.then(|| String::from_utf8_lossy(&rest[..length]).into_owned())
    }

    /// Reads a redirection, if one stands here.
    fn redirect(&mut self, found: &mut Vec<Redirect>) -> Result<bool, Unreadable> {
        let digits = self.text[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let signs = ["<<<", "<<-", "<<", "<&", "<>", "<", ">>", ">&", ">|", ">"];
        let start = self.at;
        self.at += digits;
        let Some(sign) = signs.into_iter().find(|sign| self.looks_at(sign)) else {
            self.at = start;
            return Ok(false);
        };
        self.at += sign.len();
        self.blank();
        let Some(target) = self.word()? else { return self.unreadable() };
        let kind = match sign {
            "<<" | "<<-" => {
                let number = self.here.len();
                self.here.push(Word::default());
                let expands = target.bare().is_some();
                let end = target.0.iter().map(|part| if let Part::Literal { text, .. } = part { text } else { "" });
                self.pending.push(Pending { number, end: end.collect(), expands, strips: sign == "<<-" });
                RedirectKind::Here(number)
            }
            "<" | "<>" | "<<<" => RedirectKind::Read,
            // What goes to the descriptor of errors or above it is no content.
            ">" | ">|" if digits == 0 || self.text[start] == b'1' => RedirectKind::Write,
            ">>" if digits == 0 || self.text[start] == b'1' => RedirectKind::Append,
            _ => RedirectKind::Descriptor,
        };
        found.push(Redirect { kind, target });
        Ok(true)
    }

    fn skip_past(&mut self, end: &str) -> Result<(), Unreadable> {
        while self.at < self.text.len() {
            if self.looks_at(end) {
                self.at += end.len();
                return Ok(());
            }
            self.at += 1;
        }
        self.unreadable()
    }
}
