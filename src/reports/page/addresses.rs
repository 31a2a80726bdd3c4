//! Addresses in finished pages, which are written as if their book stood at `/`.

/// Attributes that hold an address, up to where it begins. Inside a text the quotation mark is escaped, so that
/// none of these is ever part of what somebody wrote.
const ADDRESSES: [&str; 4] = [" href=\"/", " src=\"/", " action=\"/", " formaction=\"/"];
/// Addresses that name their book already.
pub const NAMED: &str = "b/";
/// A page with the prefix before every address that begins at the root.
pub fn within(root: &str, html: &str) -> String {
    let mut text = String::with_capacity(html.len() + html.len() / 16);
    let mut rest = html;
    while let Some(at) = rest.find("=\"/") {
        let (before, from) = rest.split_at(at + 2);
        text.push_str(before);
        let address = &from[1..];
        let known = ADDRESSES.iter().any(|name| before.ends_with(&name[..name.len() - 1]));
        if known && !address.starts_with('/') && !address.starts_with(NAMED) {
            text.push_str(root);
        }
        rest = from;
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_a_page_get_the_prefix_and_nothing_else_does() {
        let page = "<a href=\"/\">x</a><form method=\"post\" action=\"/sign-out\"><img src=\"/assets/a.svg\"><a class=\"l\" \
            href=\"/alerts?a=/b/x\">=&quot;/ \" =\"/x</a><a href=\"#main\"><a href=\"//elsewhere\"><a href=\"/b/other/\"><p data-x=\"/y\">";
        let expected = "<a href=\"/b/s/\">x</a><form method=\"post\" action=\"/b/s/sign-out\"><img src=\"/b/s/assets/a.svg\"><a \
            class=\"l\" href=\"/b/s/alerts?a=/b/x\">=&quot;/ \" =\"/x</a><a href=\"#main\"><a href=\"//elsewhere\"><a \
            href=\"/b/other/\"><p data-x=\"/y\">";
        assert_eq!(within("/b/s", page), expected);
    }
}
