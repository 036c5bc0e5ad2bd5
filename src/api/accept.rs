//! Which of several representations a client prefers (RFC 9110, section 12.5.1).

use poem::Request;
use poem::http::header;

/// The media types that a client takes.
#[derive(Debug)]
pub(super) struct Accept(Vec<Range>);

/// A media range, such as `text/*;q=0.5`.
#[derive(Debug)]
struct Range {
    /// Type and subtype in lower case, each of which may be `*`.
    essence: (String, String),
    version: Option<String>,
    /// In thousandths.
    weight: u16,
}

impl Accept {
    /// What `request` says in all of its Accept lines.
    pub(super) fn of(request: &Request) -> Self {
        let lines = request.headers().get_all(header::ACCEPT).iter();
        let texts = lines.filter_map(|line| line.to_str().ok());
        Self(
            texts
                .flat_map(|text| text.split(','))
                .filter_map(Range::parse)
                .collect(),
        )
    }

    /// The most wanted of `offers`, which are sorted by our own preference. The first when none is wanted: a client
    /// that gets what it did not ask for can tell, and a scraper that gets 406 has nothing.
    pub(super) fn choose<const N: usize, T: Copy>(&self, offers: [(T, &str); N]) -> Option<T> {
        // Of equal ones `max_by_key` takes the last.
        let wanted = offers
            .iter()
            .rev()
            .max_by_key(|(_, media_type)| self.weight(media_type));
        let is_wanted = wanted.filter(|(_, media_type)| self.weight(media_type) > 0);
        is_wanted.or(offers.first()).map(|(offer, _)| *offer)
    }

    /// How much a media type is wanted: what the most specific range that it falls in says.
    fn weight(&self, media_type: &str) -> u16 {
        if self.0.is_empty() {
            return 1000;
        }
        let Some(offer) = Range::parse(media_type) else {
            return 0;
        };
        let matching = self
            .0
            .iter()
            .filter_map(|range| Some((range.specificity(&offer)?, range.weight)));
        matching.max().map_or(0, |(_, weight)| weight)
    }
}

impl Range {
    /// `None` for what is no media range. Parameters other than the version do not tell our media types apart.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let mut range = Self {
            essence: (kind.to_ascii_lowercase(), subtype.to_ascii_lowercase()),
            version: None,
            weight: 1000,
        };
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            match name.trim_end().to_ascii_lowercase().as_str() {
                "q" => range.weight = weight(value.trim_start())?,
                "version" => range.version = Some(value.trim_start().trim_matches('"').to_owned()),
                _ => {}
            }
        }
        Some(range)
    }

    /// How closely this range describes `offer`; `None` when it does not.
    fn specificity(&self, offer: &Self) -> Option<u8> {
        let (kind, subtype) = &self.essence;
        let is_kind = *kind == offer.essence.0;
        let is_subtype = is_kind && *subtype == offer.essence.1;
        match (&self.version, kind.as_str(), subtype.as_str()) {
            (Some(_), ..) if is_subtype && self.version == offer.version => Some(3),
            (None, ..) if is_subtype => Some(2),
            (None, _, "*") if is_kind => Some(1),
            (None, "*", "*") => Some(0),
            _ => None,
        }
    }
}

/// A weight in thousandths (RFC 9110, section 12.4.2).
fn weight(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_fraction = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok().filter(|_| is_fraction)?;
    match (whole, thousandths) {
        ("0", thousandths) => Some(thousandths),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
    const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    fn chosen(accept: &[&str]) -> &'static str {
        let mut request = Request::builder();
        for line in accept {
            request = request.header("accept", *line);
        }
        let offers = [
            ("json", "application/json"),
            ("openmetrics", OPENMETRICS),
            ("text", TEXT),
        ];
        Accept::of(&request.finish()).choose(offers).unwrap()
    }

    #[test]
    fn the_highest_weight_wins_and_of_equal_ones_the_first_offer() {
        assert_eq!(chosen(&[]), "json");
        assert_eq!(chosen(&["*/*"]), "json");
        assert_eq!(chosen(&["text/plain"]), "text");
        assert_eq!(chosen(&["text/*, application/json;q=0.9"]), "text");
        assert_eq!(chosen(&["application/json;q=0.2, text/plain;q=0.3"]), "text");
        assert_eq!(chosen(&["application/json;q=0.2", "TEXT/Plain; Q=0.3"]), "text");
        assert_eq!(chosen(&["text/html, application/xhtml+xml, */*;q=0.8"]), "json");
        assert_eq!(chosen(&["application/openmetrics-text, text/plain"]), "openmetrics");
    }

    #[test]
    fn the_most_specific_range_says_how_much_a_type_is_wanted() {
        assert_eq!(chosen(&["application/json;q=0, */*"]), "openmetrics");
        assert_eq!(chosen(&["application/*;q=0, */*;q=0.1"]), "text");
        assert_eq!(
            chosen(&["text/plain;version=0.0.4;q=0, text/plain, application/*;q=0.1"]),
            "json"
        );
        assert_eq!(chosen(&["text/plain;version=1.0.0, */*;q=0.1"]), "json");
    }

    #[test]
    fn the_first_offer_is_taken_when_none_is_wanted() {
        assert_eq!(chosen(&["image/png"]), "json");
        assert_eq!(chosen(&["*/*;q=0"]), "json");
    }

    /// What Prometheus 2.42, Prometheus 3 and a scraper of the text format alone send.
    #[test]
    fn scrapers_get_what_they_ask_for() {
        let prometheus_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
             text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        assert_eq!(chosen(&[prometheus_2]), "openmetrics");
        assert_eq!(chosen(&[prometheus_3]), "openmetrics");
        assert_eq!(chosen(&["text/plain;version=0.0.4;q=1,*/*;q=0.1"]), "text");
    }

    #[test]
    fn what_is_no_media_range_is_not_heeded() {
        for odd in [
            "",
            ",,",
            "text",
            "text/plain;q=2",
            "text/plain;q=nan",
            "text/plain;q=0.1234",
            "text/plain;q=",
            "q=1",
        ] {
            assert_eq!(chosen(&[odd]), "json", "{odd}");
            assert_eq!(chosen(&[odd, "text/plain"]), "text", "{odd}");
        }
    }
}
