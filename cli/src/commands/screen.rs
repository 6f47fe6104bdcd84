//! A screen that is drawn again and again, and leaves the terminal as it found it.

use std::io::{self, Write};

/// The other screen, without a cursor.
const OPEN: &str = "\x1b[?1049h\x1b[?25l";
/// The usual screen, with one.
const CLOSE: &str = "\x1b[?25h\x1b[?1049l";
/// To the upper left.
const HOME: &str = "\x1b[H";
/// Clears to the end of the line.
const REST_OF_LINE: &str = "\x1b[K";
/// Clears to the end of the screen.
const REST_OF_SCREEN: &str = "\x1b[J";
/// Rows and columns of a terminal that does not say.
const USUAL: (u16, u16) = (24, 80);

/// Standard output as a screen; closes with the value.
pub(super) struct Screen(io::Stdout);

impl Screen {
    /// Takes the terminal.
    pub(super) fn open() -> io::Result<Self> {
        let mut screen = Self(io::stdout());
        screen.write(OPEN.as_bytes())?;
        Ok(screen)
    }

    /// Rows and columns.
    pub(super) fn size(&self) -> (u16, u16) {
        match rustix::termios::tcgetwinsize(&self.0) {
            Ok(size) if size.ws_row > 0 && size.ws_col > 0 => (size.ws_row, size.ws_col),
            Ok(_) | Err(_) => USUAL,
        }
    }

    /// Draws a text, cut off at the edges.
    pub(super) fn show(&mut self, text: &[u8]) -> io::Result<()> {
        let drawn = frame(&String::from_utf8_lossy(text), self.size());
        self.write(drawn.as_bytes())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)?;
        self.0.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nothing is left to be done about a terminal that has gone.
        let _ = self.write(CLOSE.as_bytes());
    }
}

fn frame(text: &str, (rows, columns): (u16, u16)) -> String {
    let mut drawn = HOME.to_owned();
    for (number, line) in text.lines().take(usize::from(rows)).enumerate() {
        if number > 0 {
            drawn.push_str("\r\n");
        }
        drawn.extend(line.chars().take(usize::from(columns)));
        drawn.push_str(REST_OF_LINE);
    }
    drawn.push_str(REST_OF_SCREEN);
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_fits_the_screen() {
        let drawn = frame("one\nlonger line\nthree\n", (2, 6));
        assert_eq!(drawn, "\x1b[Hone\x1b[K\r\nlonger\x1b[K\x1b[J");
        assert_eq!(frame("", (2, 6)), "\x1b[H\x1b[J");
    }
}
