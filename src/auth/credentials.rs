//! What a user types in, checked once and then carried as a type that cannot be wrong.

use std::fmt;

use serde::Deserialize;

/// A username: 3 to 64 letters, digits, `.`, `_` or `-`, without the blanks around it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Username(String);

impl Username {
    /// The shortest name.
    pub const MIN_LENGTH: usize = 3;
    /// The longest name.
    pub const MAX_LENGTH: usize = 64;

    /// The name as it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name by which the account is found: two names that differ only in case are the same account.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl TryFrom<String> for Username {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        // The blanks of ASCII and no others: JSON Schema and Rust disagree on what else is one.
        let name = text.trim_matches(|c: char| c.is_ascii_whitespace());
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if (Self::MIN_LENGTH..=Self::MAX_LENGTH).contains(&name.len()) && name.chars().all(allowed) {
            Ok(Self(name.to_owned()))
        } else {
            Err("must be 3 to 64 characters out of letters a-z, digits, '.', '_' and '-'")
        }
    }
}

/// A new or typed password: 8 to 128 characters (Unicode code points) of any script, never cut short (OWASP ASVS
/// 6.2.1, 6.2.8, 6.2.9; NIST SP 800-63B counts code points).
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Password(String);

impl Password {
    /// The fewest characters.
    pub const MIN_CHARACTERS: usize = 8;
    /// The most characters.
    pub const MAX_CHARACTERS: usize = 128;

    /// The password itself; never log what this returns.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Password {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if (Self::MIN_CHARACTERS..=Self::MAX_CHARACTERS).contains(&text.chars().count()) {
            Ok(Self(text))
        } else {
            Err("must be 8 to 128 characters")
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_username_is_trimmed_and_found_in_any_case() {
        let name = Username::try_from(" \tAda.L-1_\r\n ".to_owned()).unwrap();
        assert_eq!((name.as_str(), name.key().as_str()), ("Ada.L-1_", "ada.l-1_"));
    }

    #[test]
    fn usernames_that_are_short_long_or_hold_other_characters_are_refused() {
        for name in [
            "ab",
            &"a".repeat(65),
            "a b c",
            "ada@x",
            "ädä",
            "a\0b",
            "\u{85}ada",
            "ada\u{feff}",
        ] {
            assert!(Username::try_from(name.to_owned()).is_err(), "{name:?}");
        }
    }

    /// R12: at least 8 and no less than 64 characters of any script.
    #[test]
    fn passwords_are_counted_in_characters_of_any_script() {
        for accepted in ["12345678", "пароль-1", &"語".repeat(64), &"a".repeat(128)] {
            assert!(Password::try_from(accepted.to_owned()).is_ok(), "{accepted}");
        }
        for refused in ["1234567", "", &"a".repeat(129)] {
            assert!(Password::try_from(refused.to_owned()).is_err(), "{refused}");
        }
    }
}
