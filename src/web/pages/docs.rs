//! The reference of the interface, for everyone.

use super::desk::{Desk, Page};

/// `GET /docs`
pub(super) async fn show(desk: Desk) -> Page {
    desk.show(&crate::web::docs::page(desk.chrome("API reference")))
}
