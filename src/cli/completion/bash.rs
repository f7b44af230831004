use std::ffi::OsString;
use std::io;
use std::path::Path;

use clap_complete::env::{self, EnvCompleter};

/// Completion in bash.
///
/// bash takes `oci:image:dev` for five words, as `:` is in `COMP_WORDBREAKS`, and replaces the last of them only. The script of
/// `clap_complete` hands these on; this one puts them together by the line that was typed, and leaves out of each candidate what stays.
pub(super) struct Bash;

const SCRIPT: &str = r#"_clap_complete_NAME() {
    local rest="$COMP_LINE" piece number=0 index=0
    local -a words=()
    for piece in "${COMP_WORDS[@]}"; do
        if [[ $number -gt 0 && -n $rest && $rest != [[:space:]]* ]]; then
            words[${#words[@]} - 1]+="$piece"
        else
            words+=("$piece")
        fi
        if [[ $number -eq $COMP_CWORD ]]; then
            index=$((${#words[@]} - 1))
        fi
        rest="${rest#*"$piece"}"
        number=$((number + 1))
    done
    local current="${words[index]}" IFS=$'\013'
    COMPREPLY=($(_CLAP_IFS="$IFS" _CLAP_COMPLETE_INDEX="$index" VAR=bash "COMPLETER" -- "${words[@]}" 2>/dev/null))
    if [[ $? -ne 0 ]]; then
        COMPREPLY=()
        return
    fi
    local stays=""
    if [[ $COMP_WORDBREAKS == *:* && $current == *:* || $current == *=* ]]; then
        stays="${current%"${current##*[:=]}"}"
    fi
    if [[ -n $stays ]]; then
        COMPREPLY=("${COMPREPLY[@]#"$stays"}")
    fi
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/:] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -o bashdefault -o default -F _clap_complete_NAME BIN
"#;

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn is(&self, name: &str) -> bool {
        name == "bash"
    }

    fn write_registration(&self, var: &str, name: &str, bin: &str, completer: &str, buf: &mut dyn io::Write) -> io::Result<()> {
        let script = SCRIPT.replace("NAME", &name.replace('-', "_")).replace("BIN", bin);
        buf.write_all(script.replace("COMPLETER", completer).replace("VAR", var).as_bytes())
    }

    fn write_complete(
        &self,
        cmd: &mut clap::Command,
        args: Vec<OsString>,
        current_dir: Option<&Path>,
        buf: &mut dyn io::Write,
    ) -> io::Result<()> {
        env::Bash.write_complete(cmd, args, current_dir, buf)
    }
}
