//! The program as its user sees it: arguments in, exit code, output and files out.

mod cli;
