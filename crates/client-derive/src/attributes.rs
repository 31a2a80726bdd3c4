//! What `#[audited(…)]` says.

use syn::meta::ParseNestedMeta;
use syn::{Attribute, DeriveInput, Field, LitStr, Result};

/// What is said of the structure.
#[derive(Default)]
pub struct OfStruct {
    /// The record's type.
    pub kind: Option<LitStr>,
}

/// What is said of a field.
#[derive(Default)]
pub struct OfField {
    /// It is the record's id.
    pub id: bool,
    /// Its values are sealed.
    pub sensitive: bool,
    /// It is not recorded.
    pub skip: bool,
    /// Its name in the record.
    pub rename: Option<LitStr>,
}

fn each(attributes: &[Attribute], mut read: impl FnMut(&ParseNestedMeta<'_>) -> Result<bool>) -> Result<()> {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("audited")) {
        attribute.parse_nested_meta(|meta| match read(&meta)? {
            true => Ok(()),
            false => Err(meta.error("not known here: a structure has `type`; a field has `id`, `sensitive`, `skip`, `rename`")),
        })?;
    }
    Ok(())
}

impl OfStruct {
    pub fn read(input: &DeriveInput) -> Result<OfStruct> {
        let mut said = OfStruct::default();
        each(&input.attrs, |meta| {
            let known = meta.path.is_ident("type");
            if known {
                let kind: LitStr = meta.value()?.parse()?;
                if !is_type(&kind.value()) {
                    let words = "a type has 1 to 64 of a-z, 0-9, point, hyphen and underscore, for example customer";
                    return Err(syn::Error::new(kind.span(), words));
                }
                said.kind = Some(kind);
            }
            Ok(known)
        })?;
        Ok(said)
    }
}

/// As the server takes it.
fn is_type(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_".contains(&b);
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

impl OfField {
    pub fn read(field: &Field) -> Result<OfField> {
        let mut said = OfField::default();
        each(&field.attrs, |meta| {
            let flag = match meta.path.get_ident().map(ToString::to_string).as_deref() {
                Some("id") => &mut said.id,
                Some("sensitive") => &mut said.sensitive,
                Some("skip") => &mut said.skip,
                Some("rename") => {
                    said.rename = Some(meta.value()?.parse()?);
                    return Ok(true);
                }
                _ => return Ok(false),
            };
            *flag = true;
            Ok(true)
        })?;
        if (said.id || said.skip) && (said.sensitive || said.rename.is_some() || (said.id && said.skip)) {
            let words = "an id or a skipped field is no field of the record: nothing else can be said of it";
            return Err(syn::Error::new_spanned(field, words));
        }
        Ok(said)
    }
}
