//! The last resort: a panic is a bug of ours, said in one line, with exit code 1.

use std::any::Any;
use std::panic::{PanicHookInfo, UnwindSafe, catch_unwind};
use std::process::ExitCode;

use crate::run_progress;
use crate::screen;

/// Run the program; a panic becomes a message.
pub(crate) fn guard(program: impl FnOnce() -> ExitCode + UnwindSafe) -> ExitCode {
    std::panic::set_hook(Box::new(report));
    catch_unwind(program).unwrap_or(ExitCode::from(1))
}

fn report(panic: &PanicHookInfo<'_>) {
    run_progress::leave();
    let place = panic.location().map_or_else(String::new, |place| {
        format!(" ({}:{})", place.file(), place.line())
    });
    screen::error(
        &format!("internal error: {}{place}", message_of(panic.payload())),
        Some("this is a bug in salt or below it: please report it with the command you ran"),
    );
}

/// What a panic said.
pub(crate) fn message_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_panic_messages_are_read() {
        let fixed = catch_unwind(|| panic!("fixed")).unwrap_err();
        assert_eq!(message_of(&*fixed), "fixed");
        let made = catch_unwind(|| panic!("made {}", 1)).unwrap_err();
        assert_eq!(message_of(&*made), "made 1");
    }
}
