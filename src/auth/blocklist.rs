//! Passwords and names that nobody may have.

use zxcvbn::zxcvbn;

use super::{Password, Username};

/// A password that is found by so many guesses is refused: the 10,000 commonest ones (OWASP ASVS 6.2.4), the same with the
/// usual additions and replacements, runs of the keyboard, dates, and what is made of the account's or the service's name
/// (NIST SP 800-63B-4, section 3.1.1.2). How many it takes is estimated by zxcvbn, of 2012 and maintained since, which has
/// lists of passwords and words of several languages.
const TOO_FEW_GUESSES: u64 = 100_000;

/// Names that others would take for the operator (RFC 2142 has some of them), and our own.
const RESERVED: [&str; 20] = [
    "abuse",
    "admin",
    "administrator",
    "api",
    "help",
    "hostmaster",
    "info",
    "me",
    "mod",
    "moderator",
    "noreply",
    "null",
    "operator",
    "postmaster",
    "root",
    "security",
    env!("CARGO_PKG_NAME"),
    "support",
    "system",
    "webmaster",
];

/// Whether a password of that account is one of the first that are guessed.
pub(super) fn is_easily_guessed(password: &Password, username: &str) -> bool {
    let letters: String = username.chars().filter(char::is_ascii_alphanumeric).collect();
    let names = [username, &letters, env!("CARGO_PKG_NAME")];
    zxcvbn(password.expose(), &names).guesses() < TOO_FEW_GUESSES
}

/// Whether nobody may register the name.
pub(super) fn is_reserved(username: &Username) -> bool {
    RESERVED.contains(&username.key().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(password: &str) -> bool {
        let password = Password::try_from(password.to_owned()).unwrap();
        is_easily_guessed(&password, "ada.lovelace")
    }

    /// Security finding F12.
    #[test]
    fn common_passwords_and_those_made_of_names_are_refused() {
        for password in [
            "password",
            "12345678",
            "qwertyuiop",
            "aaaaaaaa",
            "Passw0rd!",
            "iloveyou1",
            "ada.lovelace",
            "adalovelace1",
            "slipway1",
            "Slipway123",
            "abcabcabcabc",
            "19871987",
        ] {
            assert!(is_refused(password), "{password}");
        }
    }

    #[test]
    fn others_of_eight_characters_and_more_are_taken() {
        for password in [
            "x7Kp2mQ9",
            "correct horse",
            "Grüße aus Köln",
            "пароль-1-ада",
            "four random words here",
        ] {
            assert!(!is_refused(password), "{password}");
        }
    }

    #[test]
    fn names_of_operators_are_reserved_in_any_case() {
        for (name, is_refused) in [
            ("Admin", true),
            ("root", true),
            ("Slipway", true),
            ("ada", false),
            ("rooter", false),
        ] {
            assert_eq!(
                is_reserved(&Username::try_from(name.to_owned()).unwrap()),
                is_refused,
                "{name}"
            );
        }
    }
}
