//! The lines of a file that hold one rule.

/// Lines of an excerpt, at most.
const MAX_LINES: usize = 30;
/// Characters of one of its lines, at most.
const MAX_WIDTH: usize = 160;

/// A piece of YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Its lines, without their common indentation.
    pub(super) yaml: String,
    /// Whether it goes on.
    pub(super) truncated: bool,
}

/// The item that starts at `line` (from 1): that line and those that are further in, as YAML nests.
/// Comments and blank lines after it are not part of it. `None` when the text has no such line.
pub(super) fn item(text: &str, line: u32) -> Option<Piece> {
    let skip = usize::try_from(line).ok()?.checked_sub(1)?;
    let mut lines = text.lines().skip(skip);
    let first = lines.next()?;
    let start = indentation(first);
    let mut taken = vec![first];
    let mut truncated = false;
    for next in lines {
        let blank = next.trim().is_empty() || next.trim_start().starts_with('#');
        let closes = indentation(next) == start && next.trim_start().starts_with([']', '}']);
        if !blank && !closes && indentation(next) <= start {
            break;
        }
        if taken.len() >= MAX_LINES {
            truncated = true;
            break;
        }
        taken.push(next);
    }
    while let Some(last) = taken.last()
        && (last.trim().is_empty() || last.trim_start().starts_with('#'))
    {
        taken.pop();
    }
    let mut yaml = String::new();
    for line in taken {
        let line = line.get(start.min(line.len())..).unwrap_or(line).trim_end();
        truncated |= line.chars().count() > MAX_WIDTH;
        yaml.extend(line.chars().take(MAX_WIDTH));
        yaml.push('\n');
    }
    Some(Piece { yaml, truncated })
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
spec:
  ingress:
  - fromEndpoints:
    - matchLabels: {app: web}

    # why
    toPorts: [{ports: [{port: \"80\"}]}]

  # the next
  - {}
  egress: [{
    toEntities: [world]
  }]
";

    fn yaml(line: u32) -> String {
        item(TEXT, line).unwrap().yaml
    }

    #[test]
    fn an_item_is_what_is_further_in() {
        assert_eq!(
            yaml(3),
            "- fromEndpoints:\n  - matchLabels: {app: web}\n\n  # why\n  toPorts: [{ports: [{port: \"80\"}]}]\n"
        );
        assert_eq!(yaml(10), "- {}\n");
        assert_eq!(yaml(11), "egress: [{\n  toEntities: [world]\n}]\n");
        assert_eq!(item(TEXT, 0), None);
        assert_eq!(item(TEXT, 99), None);
    }

    #[test]
    fn it_is_bounded() {
        let long = format!("- a:\n{}", "  - x\n".repeat(100));
        let piece = item(&long, 1).unwrap();
        assert!(piece.truncated);
        assert_eq!(piece.yaml.lines().count(), MAX_LINES);
        let wide = item(&"é".repeat(1_000), 1).unwrap();
        assert!(wide.truncated);
        assert_eq!(wide.yaml.chars().count(), MAX_WIDTH + 1);
    }
}
