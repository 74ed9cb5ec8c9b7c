//! `*`, `?` and `${variables}` of a policy's resources and condition values.

use super::Caller;

/// A text with wildcards and variables, as a policy writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(char),
    AnyCharacter,
    AnyText,
    Variable(String),
}

/// A pattern in which the variables have been replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Literal(char),
    AnyCharacter,
    AnyText,
}

impl Pattern {
    /// Reads a pattern in which `*` and `?` are wildcards. MQTT's `+` and `#` are letters like any other.
    pub(crate) fn parse(text: &str) -> Self {
        Self::read(text, true)
    }

    /// Reads a text in which only variables have a meaning (the operators StringEquals and StringNotEquals).
    pub(crate) fn literal(text: &str) -> Self {
        Self::read(text, false)
    }

    /// Whether the pattern covers `text`. A variable that does not resolve matches nothing.
    pub(crate) fn matches(&self, text: &str, caller: &Caller) -> bool {
        let Some(tokens) = self.resolve(caller) else { return false };
        let text: Vec<char> = text.chars().collect();
        glob(&tokens, &text)
    }

    fn read(text: &str, wildcards: bool) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            if let Some((inside, after)) = rest.strip_prefix("${").and_then(|body| body.split_once('}')) {
                parts.push(match inside {
                    // The three escapes of the policy language (IAM user guide, "Variables and tags").
                    "*" => Part::Literal('*'),
                    "?" => Part::Literal('?'),
                    "$" => Part::Literal('$'),
                    name => Part::Variable(name.to_owned()),
                });
                rest = after;
                continue;
            }
            parts.push(match character {
                '*' if wildcards => Part::AnyText,
                '?' if wildcards => Part::AnyCharacter,
                other => Part::Literal(other),
            });
            rest = rest.get(character.len_utf8()..).unwrap_or_default();
        }
        Self(parts)
    }

    /// Replaces the variables. Their values are literal: a client that calls itself `*` gains nothing by it.
    fn resolve(&self, caller: &Caller) -> Option<Vec<Token>> {
        let mut tokens = Vec::with_capacity(self.0.len());
        for part in &self.0 {
            match part {
                Part::Literal(character) => tokens.push(Token::Literal(*character)),
                Part::AnyCharacter => tokens.push(Token::AnyCharacter),
                Part::AnyText => tokens.push(Token::AnyText),
                Part::Variable(name) => tokens.extend(caller.value(name)?.chars().map(Token::Literal)),
            }
        }
        Some(tokens)
    }
}

/// Matches with a single backtracking point, so that the time is at most pattern length times text length.
fn glob(tokens: &[Token], text: &[char]) -> bool {
    let (mut token, mut position) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while position < text.len() {
        match tokens.get(token) {
            Some(Token::AnyText) => {
                retry = Some((token + 1, position));
                token += 1;
                continue;
            }
            Some(Token::AnyCharacter) => {
                token += 1;
                position += 1;
                continue;
            }
            Some(Token::Literal(wanted)) if text.get(position) == Some(wanted) => {
                token += 1;
                position += 1;
                continue;
            }
            _ => {}
        }
        let Some((after_star, taken)) = retry else { return false };
        retry = Some((after_star, taken + 1));
        token = after_star;
        position = taken + 1;
    }
    tokens.iter().skip(token).all(|token| *token == Token::AnyText)
}
