//! Which route a path belongs to, for metrics, logs and `Allow`, without asking the router for each request.

use std::collections::HashMap;

use poem::http::Method;

use crate::telemetry::RequestHandles;

/// Methods that are told apart in metrics; every other one counts as the last.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"];
/// The first digit of a status.
const STATUS_CLASSES: usize = 5;

/// All routes. What is not among them is the route `unmatched`, so that scans of odd paths make no new labels.
#[derive(Debug)]
pub(crate) struct Routes {
    by_path: HashMap<String, usize>,
    templates: Vec<(Vec<Segment>, usize)>,
    routes: Vec<Route>,
}

/// One route.
#[derive(Debug)]
pub(crate) struct Route {
    /// Its pattern, such as `/sessions/{id}`.
    pub(crate) pattern: String,
    /// For `Allow`, such as `GET, HEAD, OPTIONS`; empty for what is no route.
    pub(crate) allow: String,
    handles: [[RequestHandles; STATUS_CLASSES]; METHODS.len()],
}

#[derive(Debug, PartialEq, Eq)]
enum Segment {
    Fixed(String),
    Parameter,
}

impl Routes {
    /// A table of patterns with their methods, such as `("/sessions/{id}", ["DELETE"])`.
    pub(crate) fn new<P: Into<String>>(routes: impl IntoIterator<Item = (P, Vec<String>)>) -> Self {
        let mut table = Self {
            by_path: HashMap::new(),
            templates: Vec::new(),
            routes: vec![Route::new("unmatched".to_owned(), String::new())],
        };
        for (pattern, methods) in routes {
            table.add(pattern.into(), methods);
        }
        table
    }

    fn add(&mut self, pattern: String, mut methods: Vec<String>) {
        if methods.iter().any(|method| method == "GET") {
            methods.push("HEAD".to_owned());
        }
        methods.push("OPTIONS".to_owned());
        let index = self.routes.len();
        if pattern.contains('{') {
            self.templates
                .push((pattern.split('/').map(Segment::of_pattern).collect(), index));
        } else {
            self.by_path.insert(pattern.clone(), index);
        }
        self.routes.push(Route::new(pattern, methods.join(", ")));
    }

    /// The route that `path` belongs to.
    pub(crate) fn find(&self, path: &str) -> &Route {
        let by_template = || {
            let matches = |(template, _): &&(Vec<Segment>, usize)| {
                let mut segments = path.split('/');
                template
                    .iter()
                    .all(|wanted| segments.next().is_some_and(|given| wanted.matches(given)))
                    && segments.next().is_none()
            };
            self.templates.iter().find(matches).map(|(_, index)| index)
        };
        let index = self.by_path.get(path).or_else(by_template).copied();
        &self.routes[index.unwrap_or(0)]
    }
}

impl Route {
    fn new(pattern: String, allow: String) -> Self {
        Self {
            pattern,
            allow,
            handles: Default::default(),
        }
    }

    /// Whether there is such a route at all.
    pub(crate) fn is_known(&self) -> bool {
        !self.allow.is_empty()
    }

    /// The method as it is told in metrics, and the handles for it and `status`.
    pub(crate) fn handles(&self, method: &Method, status: u16) -> (&'static str, &RequestHandles) {
        let other = METHODS.len() - 1;
        let method = METHODS
            .iter()
            .position(|known| *known == method.as_str())
            .unwrap_or(other);
        let class = usize::from(status / 100).clamp(1, STATUS_CLASSES) - 1;
        (METHODS[method], &self.handles[method][class])
    }
}

impl Segment {
    fn of_pattern(segment: &str) -> Self {
        if segment.starts_with('{') {
            Self::Parameter
        } else {
            Self::Fixed(segment.to_owned())
        }
    }

    fn matches(&self, segment: &str) -> bool {
        match self {
            Self::Fixed(fixed) => fixed == segment,
            Self::Parameter => !segment.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_by_name_or_template_and_the_rest_is_one_route() {
        let methods = |method: &str| vec![method.to_owned()];
        let routes = Routes::new([("/hello", methods("GET")), ("/sessions/{id}", methods("DELETE"))]);
        assert_eq!(routes.find("/hello").allow, "GET, HEAD, OPTIONS");
        assert_eq!(routes.find("/sessions/7").pattern, "/sessions/{id}");
        for path in ["/", "/sessions", "/sessions/", "/sessions/7/x", "/hello/"] {
            assert_eq!(routes.find(path).pattern, "unmatched", "{path}");
        }
    }

    #[test]
    fn odd_methods_and_statuses_share_handles() {
        let routes = Routes::new([("/hello", vec!["GET".to_owned()])]);
        let route = routes.find("/hello");
        assert_eq!(route.handles(&Method::from_bytes(b"BREW").unwrap(), 999).0, "other");
        assert_eq!(route.handles(&Method::GET, 200).0, "GET");
        assert_eq!(route.handles(&Method::PATCH, 200).0, "PATCH");
    }
}
