//! What a user types in, checked once and then carried as a type that cannot be wrong.

use std::fmt;

use serde::Deserialize;
use unicode_normalization::UnicodeNormalization;

/// A username: 1 to 64 letters, digits, `.`, `_`, `-`, `+` or `@`, so that an e-mail address can be one, without the blanks
/// around it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Username(String);

impl Username {
    /// The shortest name.
    pub const MIN_LENGTH: usize = 1;
    /// The longest name.
    pub const MAX_LENGTH: usize = 64;

    /// The name as it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name by which the account is found: two names that differ only in case are the same account.
    pub fn key(&self) -> String {
        key(&self.0)
    }
}

/// The key of what somebody typed as a name at sign-in; `None` for what no account has. An account that was imported from
/// another service may have a name with other characters than a [`Username`].
pub(super) fn username_key(typed: &str) -> Option<String> {
    let name = without_blanks(typed);
    let length = name.chars().count();
    let is_name = (Username::MIN_LENGTH..=Username::MAX_LENGTH).contains(&length) && !name.contains(char::is_control);
    is_name.then(|| key(name))
}

fn key(name: &str) -> String {
    name.nfc().collect::<String>().to_lowercase()
}

/// The blanks of ASCII and no others: JSON Schema and Rust disagree on what else is one.
fn without_blanks(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_ascii_whitespace())
}

impl TryFrom<String> for Username {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let name = without_blanks(&text);
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '@');
        if (Self::MIN_LENGTH..=Self::MAX_LENGTH).contains(&name.len()) && name.chars().all(allowed) {
            Ok(Self(name.to_owned()))
        } else {
            Err("must be 1 to 64 characters out of letters a-z, digits, '.', '_', '-', '+' and '@'")
        }
    }
}

/// A new password: 8 to 128 characters (Unicode code points) of any script, never cut short (OWASP ASVS 6.2.1, 6.2.8,
/// 6.2.9; NIST SP 800-63B counts code points), prepared as RFC 8265, section 4.2 (OpaqueString) says, so that it is the same
/// on every keyboard: what a Mac types as `u` and a combining diaeresis is `ü` elsewhere.
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
        let prepared = prepare(&text);
        if !(Self::MIN_CHARACTERS..=Self::MAX_CHARACTERS).contains(&prepared.chars().count()) {
            return Err("must be 8 to 128 characters");
        }
        Ok(Self(prepared))
    }
}

/// What somebody typed as the password that an account has: of any shape, since it is right or wrong and nothing else. It may
/// be from another service, whose passwords had other rules.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub struct TypedPassword {
    prepared: String,
    /// As it was typed, where that is something else.
    typed: Option<String>,
}

impl TypedPassword {
    /// The password as new ones are prepared; never log what this returns.
    pub fn expose(&self) -> &str {
        &self.prepared
    }

    /// The password as it was typed, where preparing it changed it: of that a hash was made before passwords were
    /// prepared. Never log what this returns.
    pub fn expose_as_typed(&self) -> Option<&str> {
        self.typed.as_deref()
    }
}

impl From<String> for TypedPassword {
    fn from(text: String) -> Self {
        let prepared = prepare(&text);
        let typed = (prepared != text).then_some(text);
        Self { prepared, typed }
    }
}

/// RFC 8265, section 4.2.2: other spaces become the ASCII one, and the whole is brought into NFC. (Not NFKC, which would
/// take different passwords for the same.) What the RFC would refuse, such as control characters, passes: it was taken
/// before, and makes no password weaker.
fn prepare(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let is_space = |c| {
        matches!(
            c,
            '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
        )
    };
    text.chars().map(|c| if is_space(c) { ' ' } else { c }).nfc().collect()
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Debug for TypedPassword {
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
    fn an_e_mail_address_can_be_a_username() {
        for name in ["ada+slipway@example.com", "a", "@"] {
            assert_eq!(Username::try_from(name.to_owned()).unwrap().as_str(), name);
        }
    }

    #[test]
    fn usernames_that_are_empty_long_or_hold_other_characters_are_refused() {
        for name in [
            "",
            " ",
            &"a".repeat(65),
            "a b c",
            "ada/x",
            "ädä",
            "a\0b",
            "\u{85}ada",
            "ada\u{feff}",
        ] {
            assert!(Username::try_from(name.to_owned()).is_err(), "{name:?}");
        }
    }

    /// The key of a name is the same at registration and at sign-in, and names of another service have one, too.
    #[test]
    fn whatever_is_typed_at_sign_in_has_the_key_of_a_name_or_none() {
        for name in [" Ada.L-1_\n", "ada+slipway@example.com", "@"] {
            let username = Username::try_from(name.to_owned()).unwrap();
            assert_eq!(username_key(name), Some(username.key()));
        }
        assert_eq!(username_key("ZO\u{cb} von B"), Some("zo\u{eb} von b".to_owned()));
        assert_eq!(username_key("zoe\u{308} von b"), Some("zo\u{eb} von b".to_owned()));
        for nobody in ["", " ", "a\0b", &"\u{e9}".repeat(65)] {
            assert_eq!(username_key(nobody), None, "{nobody:?}");
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

    fn password(text: &str) -> TypedPassword {
        assert_eq!(
            Password::try_from(text.to_owned()).unwrap().expose(),
            TypedPassword::from(text.to_owned()).expose()
        );
        TypedPassword::from(text.to_owned())
    }

    /// F14, NIST SP 800-63B-4, section 3.1.1.2.
    #[test]
    fn a_password_is_one_in_every_form_of_its_characters_and_with_every_space() {
        let (composed, decomposed) = (
            password("Gr\u{fc}\u{df}e-\u{e9} 1"),
            password("Gru\u{308}\u{df}e-e\u{301}\u{a0}1"),
        );
        assert_eq!(composed.expose(), decomposed.expose());
        assert_eq!(composed.expose_as_typed(), None);
        assert_eq!(decomposed.expose_as_typed(), Some("Gru\u{308}\u{df}e-e\u{301}\u{a0}1"));
        assert_eq!(
            password("a\u{3000}b\u{2003}c\u{202f}d\u{205f}e\u{1680}f").expose(),
            "a b c d e f"
        );
    }

    /// Those that only look alike, and those in another case, are others.
    #[test]
    fn different_passwords_stay_different() {
        for (one, other) in [
            ("\u{ff21}bcdefgh", "Abcdefgh"),
            ("\u{fb01}nancier", "financier"),
            ("\u{212b}ngstr\u{f6}m", "\u{e5}ngstr\u{f6}m"),
            ("passwor\u{200b}d", "password"),
        ] {
            assert_ne!(password(one).expose(), password(other).expose());
        }
    }

    #[test]
    fn characters_are_counted_as_they_are_prepared() {
        let decomposed = "u\u{308}".repeat(128);
        assert!(Password::try_from(decomposed.clone()).is_ok());
        assert!(Password::try_from(decomposed + "x").is_err());
        assert!(Password::try_from("u\u{308}".repeat(7)).is_err());
    }
}
