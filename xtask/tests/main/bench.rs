//! A benchmark of the test's own: a data set, a stand-in for `salt`, and the programs that its `PATH` names.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// Makes steps of a tenth of a second, `STEPS` of them (3). Saves and stops on SIGTERM as `salt` does, fails when there is a
/// file `fail-CELL`, and writes a result at the end.
const STAND_IN: &str = r#"#!/bin/bash
set -eu
here=$(dirname "$BENCH_FILES/x")
case $1 in
    train) run=$4; mkdir -p "$run/checkpoints"; cp "$2" "$run/recipe.toml" ;;
    resume) run=$2 ;;
esac
cell=$(basename "$run")
echo $$ > "$here/salt-process"
echo "$1 $cell" >> "$here/salt-calls"
stop=
trap 'stop=1; echo "stopping at the next safe point; once more leaves at once" >&2' TERM
if [ -e "$here/fail-$cell" ]; then echo "told to fail" >&2; exit 1; fi
step=$(cat "$run/checkpoints/"*.safetensors 2>/dev/null || echo 0)
while [ "$step" -lt "${STEPS:-3}" ]; do
    # A signal to all processes of a task ends this one too.
    sleep 0.1 || true
    step=$((step + 1))
    if [ -n "$stop" ]; then
        rm -f "$run/checkpoints/"*
        echo "$step" > "$run/checkpoints/step-$(printf %010d "$step").safetensors"
        exit 143
    fi
done
rm -f "$run/checkpoints/"*
printf 'case,split,class,dice,iou,hd95,cldice,status\nt0,test,1,0.5,0.4,1.0,,ok\n' > "$run/cases.csv"
echo '{"status":"finished","params":{"trainable":1,"total":2,"percent":50.0}}' > "$run/result.json"
"#;

/// A folder with everything in it.
pub(crate) struct Bench {
    tmp: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let tmp = tempfile::Builder::new()
            .prefix("it's a \"bench\" 100% ")
            .tempdir()
            .unwrap();
        let bench = Self { tmp };
        salt_data::synth::vessels::write_dataset(&bench.path("set"), 6, 32, 0).unwrap();
        bench.program("salt", STAND_IN);
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.tmp.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// A script that can be started by its path.
    pub(crate) fn program(&self, name: &str, script: &str) {
        self.write(name, script);
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A command that finds what it needs in its environment and runs here.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .current_dir(self.tmp.path())
            .env("BENCH_FILES", self.tmp.path());
        command
    }

    /// `cargo xtask bench` of two methods and two seeds into `out`.
    pub(crate) fn bench(&self, out: &str, more: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_xtask"));
        command.args(["bench", "--salt"]).arg(self.path("salt"));
        command.args(["--datasets", "set", "--methods", "salt,lora"]);
        command.args(["--seeds", "0,1", "--out", out]).args(more);
        command
    }

    /// `cargo xtask report`.
    pub(crate) fn report(&self, words: &[&str]) -> Output {
        let mut command = self.command(env!("CARGO_BIN_EXE_xtask"));
        command.arg("report").args(words).output().unwrap()
    }
}

/// Both outputs, of a command that ended as expected.
#[track_caller]
pub(crate) fn ended(output: &Output, code: i32) -> String {
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    let text = text.concat();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}
