//! Colours, where a terminal wants them.

use std::fmt::{self, Display, Formatter};
use std::io;

use anstyle::{AnsiColor, Style};
use clap::ColorChoice;
use flowd_proto::flow::Verdict;

/// What a piece of text is; decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// A name or address.
    Host,
    /// A port.
    Port,
    /// An identity.
    Identity,
    /// Passed, or healthy.
    Good,
    /// Dropped, or broken.
    Bad,
    /// Worth a look.
    Notice,
    /// A heading.
    Heading,
}

impl Ink {
    /// The colour of a verdict.
    pub const fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Forwarded | Verdict::Redirected => Self::Good,
            Verdict::Dropped | Verdict::Error => Self::Bad,
            Verdict::Audit | Verdict::Traced | Verdict::Translated | Verdict::Unknown => {
                Self::Notice
            }
        }
    }

    const fn style(self) -> Style {
        let color = match self {
            Self::Host => AnsiColor::Cyan,
            Self::Port | Self::Notice => AnsiColor::Yellow,
            Self::Identity => AnsiColor::Magenta,
            Self::Good => AnsiColor::Green,
            Self::Bad => AnsiColor::Red,
            Self::Heading => return Style::new().bold(),
        };
        color.on_default()
    }
}

/// Whether to paint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paint(bool);

impl Paint {
    /// Never.
    pub const NONE: Self = Self(false);
    /// Always.
    pub const ALWAYS: Self = Self(true);

    /// Decides for standard output; `auto` asks the terminal and `NO_COLOR`.
    pub fn stdout(choice: ColorChoice) -> Self {
        match choice {
            ColorChoice::Always => Self::ALWAYS,
            ColorChoice::Never => Self::NONE,
            ColorChoice::Auto => {
                let stdout = anstream::AutoStream::choice(&io::stdout());
                Self(stdout != anstream::ColorChoice::Never)
            }
        }
    }

    /// `text` in the colour of `ink`.
    pub fn ink<T: Display>(self, ink: Ink, text: T) -> Painted<T> {
        let style = if self.0 { ink.style() } else { Style::new() };
        Painted { style, text }
    }
}

/// Text with its colour.
#[derive(Debug)]
pub struct Painted<T> {
    style: Style,
    text: T,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}{}{}",
            self.style.render(),
            self.text,
            self.style.render_reset()
        )
    }
}
