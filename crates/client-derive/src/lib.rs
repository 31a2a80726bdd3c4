//! `#[derive(Audited)]` for `counterfoil-client`.
//!
//! Not here: the trait itself and what is done with it (`counterfoil_client::Audited`, `Guard`).

mod attributes;
mod expand;

use proc_macro::TokenStream;

/// Says which record a value is, and which of its fields are recorded.
///
/// - `#[audited(type = "customer")]` on the structure: the record's type.
/// - `#[audited(id)]` on exactly one field: the record's id; it is `ToString`, and no field of the record.
/// - `#[audited(sensitive)]` on a field: its values are sealed.
/// - `#[audited(skip)]` on a field: it is not recorded.
/// - `#[audited(rename = "tax-id")]` on a field: recorded under this name.
///
/// Every recorded field is `serde::Serialize`.
#[proc_macro_derive(Audited, attributes(audited))]
pub fn audited(input: TokenStream) -> TokenStream {
    let expanded = syn::parse(input).and_then(|input| expand::audited(&input));
    expanded.unwrap_or_else(|error| error.to_compile_error()).into()
}
