//! The reference of the interface, as a page: the OpenAPI document in plain words.

use serde_json::Value;

use super::api;
use super::pages::views::{ApiBody, ApiGroup, ApiOperation, ApiParameter, ApiResponse, Chrome, DocsPage, Words};

/// The page inside a frame.
pub fn page(chrome: Chrome) -> DocsPage {
    let document: Value = serde_json::from_str(&api::openapi_json()).unwrap_or_default();
    let info = &document["info"];
    DocsPage {
        chrome,
        title: format!("{} API", text(&info["title"])),
        version: text(&info["version"]),
        intro: paragraphs(&info["description"]),
        document_href: "/openapi.json".to_owned(),
        groups: list(&document["tags"]).map(|tag| group(&document, tag)).collect(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The paragraphs of a text, each in pieces.
fn paragraphs(value: &Value) -> Vec<Vec<Words>> {
    text(value).split("\n\n").filter(|text| !text.trim().is_empty()).map(words).collect()
}

/// A text's plain words and its code: what stands between backticks.
fn words(text: &str) -> Vec<Words> {
    let pieces = text.split('`').enumerate().filter(|(_, piece)| !piece.is_empty());
    pieces.map(|(n, piece)| Words { text: piece.to_owned(), code: n % 2 == 1 }).collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn group(document: &Value, tag: &Value) -> ApiGroup {
    let name = text(&tag["name"]);
    let mut operations = Vec::new();
    for (path, item) in members(&document["paths"]) {
        for (method, said) in members(item).filter(|(method, _)| matches!(method.as_str(), "get" | "post")) {
            if list(&said["tags"]).any(|t| t == name.as_str()) {
                operations.push(operation(path, method, said));
            }
        }
    }
    ApiGroup { id: slug(&name), text: text(&tag["description"]), name, operations }
}

fn operation(path: &str, method: &str, said: &Value) -> ApiOperation {
    let scopes = list(&said["security"]).flat_map(|way| list(&way["key"])).map(text);
    ApiOperation {
        id: slug(&format!("{method} {path}")),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: text(&said["summary"]),
        description: paragraphs(&said["description"]),
        scope: scopes.collect::<Vec<_>>().join(" "),
        parameters: list(&said["parameters"]).map(parameter).collect(),
        request: members(&said["requestBody"]["content"]).map(|(media, content)| body(said, media, content)).collect(),
        responses: members(&said["responses"]).map(|(status, answer)| response(status, answer)).collect(),
    }
}

fn parameter(said: &Value) -> ApiParameter {
    let kinds = match &said["schema"]["type"] {
        Value::Array(kinds) => kinds.iter().map(text).filter(|kind| kind != "null").collect(),
        kind => text(kind),
    };
    ApiParameter {
        name: text(&said["name"]),
        place: text(&said["in"]),
        kind: kinds,
        required: said["required"].as_bool().unwrap_or(false),
        description: words(&text(&said["description"])),
    }
}

fn body(said: &Value, media: &str, content: &Value) -> ApiBody {
    let example = match &content["example"] {
        Value::Null => String::new(),
        example => serde_json::to_string_pretty(example).unwrap_or_default(),
    };
    ApiBody { media: media.to_owned(), description: words(&text(&said["requestBody"]["description"])), example }
}

fn response(status: &str, answer: &Value) -> ApiResponse {
    let media: Vec<&str> = members(&answer["content"]).map(|(media, _)| media.as_str()).collect();
    ApiResponse { status: status.to_owned(), description: words(&text(&answer["description"])), media: media.join(", ") }
}

/// `get /api/v1/entries/{seq}` as `get-api-v1-entries-seq`.
fn slug(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_code_are_not_printed() {
        let html = askama::Template::render(&page(Chrome::default())).unwrap_or_default();
        assert!(html.contains("<code>Authorization: Bearer &#60;key&#62;</code>"), "{html}");
        assert!(!html.contains('`') && !html.contains("**"), "{html}");
    }

    #[test]
    fn every_operation_is_on_the_page_with_its_words() {
        let page = page(Chrome::default());
        let operations: Vec<&ApiOperation> = page.groups.iter().flat_map(|group| &group.operations).collect();
        assert_eq!(operations.len(), 30);
        for operation in operations {
            assert!(!operation.summary.is_empty() && !operation.responses.is_empty(), "{}", operation.path);
        }
        let create = page.groups.iter().flat_map(|g| &g.operations).find(|o| o.id == "post-api-v1-entries");
        assert!(create.is_some_and(|o| o.scope == "entries:write" && o.request[0].example.contains("\"source_ref\"")));
    }
}
