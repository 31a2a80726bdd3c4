//! The implementation that is written.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Fields, Ident, LitStr, Result};

use crate::attributes::{OfField, OfStruct};

/// A field that is recorded.
struct Recorded {
    ident: Ident,
    name: String,
    sensitive: bool,
}

/// The implementation for this structure.
///
/// # Errors
/// Where the structure cannot be a record, and why.
pub fn audited(input: &DeriveInput) -> Result<TokenStream> {
    let Some(kind) = OfStruct::read(input)?.kind else {
        return Err(syn::Error::new_spanned(&input.ident, "say which record it is: #[audited(type = \"customer\")]"));
    };
    let (id, recorded) = fields(input)?;
    let names: Vec<LitStr> = recorded.iter().map(|field| LitStr::new(&field.name, field.ident.span())).collect();
    let idents = recorded.iter().map(|field| &field.ident);
    let sensitive = recorded.iter().filter(|field| field.sensitive).map(|field| pointer(&field.name));
    let name = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #generics ::counterfoil_client::Audited for #name #arguments #bounds {
            const TYPE: &'static str = #kind;
            const SENSITIVE: &'static [&'static str] = &[#(#sensitive),*];

            fn id(&self) -> ::std::string::String {
                ::std::string::ToString::to_string(&self.#id)
            }

            fn state(&self) -> ::std::result::Result<::counterfoil_client::Document, ::counterfoil_client::Unfit> {
                let mut fields = ::counterfoil_client::derived::Map::new();
                #(fields.insert(::std::string::String::from(#names), ::counterfoil_client::derived::to_value(&self.#idents)?);)*
                ::counterfoil_client::Document::from_fields(fields)
            }
        }
    })
}

/// The field that is the id, and those that are recorded.
fn fields(input: &DeriveInput) -> Result<(Ident, Vec<Recorded>)> {
    let Data::Struct(data) = &input.data else { return Err(no_record(input)) };
    let Fields::Named(named) = &data.fields else { return Err(no_record(input)) };
    let (mut id, mut recorded) = (None, Vec::new());
    for field in &named.named {
        let Some(ident) = field.ident.clone() else { return Err(no_record(input)) };
        let said = OfField::read(field)?;
        match said {
            OfField { id: true, .. } if id.is_some() => return Err(syn::Error::new_spanned(field, "there is an id already")),
            OfField { id: true, .. } => id = Some(ident),
            OfField { skip: true, .. } => {}
            OfField { rename, sensitive, .. } => {
                let name = rename.map_or_else(|| ident.unraw().to_string(), |name| name.value());
                if recorded.iter().any(|other: &Recorded| other.name == name) {
                    return Err(syn::Error::new_spanned(field, format!("there is a field `{name}` already")));
                }
                recorded.push(Recorded { ident, name, sensitive });
            }
        }
    }
    let without = || syn::Error::new_spanned(&input.ident, "say which field is the record's id: #[audited(id)]");
    Ok((id.ok_or_else(without)?, recorded))
}

fn no_record(input: &DeriveInput) -> syn::Error {
    syn::Error::new_spanned(&input.ident, "only a structure with named fields is a record")
}

/// The JSON pointer of a field.
fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn expanded(code: &str) -> std::result::Result<String, String> {
        let input = syn::parse_str(code).unwrap();
        audited(&input).map(|tokens| tokens.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn only_what_is_said_is_recorded_and_sealed() {
        let code = r#"#[audited(type = "customer")] struct Customer<T> where T: Copy {
            #[audited(id)] number: u64, r#type: String, #[audited(sensitive, rename = "tax/id")] tax: String, #[audited(skip)] cache: T }"#;
        let written = expanded(code).unwrap();
        assert!(written.contains(r#"const TYPE : & 'static str = "customer""#), "{written}");
        assert!(written.contains(r#"& ["/tax~1id"]"#) && written.contains(r#"from ("type")"#), "{written}");
        assert!(!written.contains("cache") && written.contains("for Customer < T > where T : Copy"), "{written}");
    }

    #[test]
    fn what_cannot_be_a_record_is_refused_in_words() {
        for (code, words) in [
            ("struct A { #[audited(id)] a: u8 }", "say which record it is"),
            ("#[audited(type = \"a\")] struct A { a: u8 }", "say which field is the record's id"),
            ("#[audited(type = \"a\")] struct A { #[audited(id)] a: u8, #[audited(id)] b: u8 }", "an id already"),
            ("#[audited(type = \"A b\")] struct A { #[audited(id)] a: u8 }", "a type has 1 to 64"),
            ("#[audited(type = \"a\")] struct A(u8);", "named fields"),
            ("#[audited(type = \"a\")] enum A { B }", "named fields"),
            ("#[audited(type = \"a\")] struct A { #[audited(id)] a: u8, #[audited(secret)] b: u8 }", "not known here"),
            ("#[audited(type = \"a\")] struct A { #[audited(id, sensitive)] a: u8 }", "no field of the record"),
            (
                "#[audited(type = \"a\")] struct A { #[audited(id)] a: u8, b: u8, #[audited(rename = \"b\")] c: u8 }",
                "`b` already",
            ),
        ] {
            let refused = expanded(code).unwrap_err();
            assert!(refused.contains(words), "{code}: {refused}");
        }
    }
}
