//! The ciphers: a box under a key that both sides have, and a box for whoever has a private key.
//!
//! Both are XChaCha20-Poly1305. For a public key its key and nonce come out of HKDF-SHA-256 over the
//! X25519 secret of a fresh pair and that key, with both public keys bound in. What a box is for is
//! its additional data: one that is moved elsewhere does not open.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};
use zeroize::Zeroizing;

use crate::clock::Clock;

/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 24;
/// Bytes of a key of any kind.
pub const KEY_BYTES: usize = 32;

/// A secret key; forgotten when it is dropped.
pub type Secret = Zeroizing<[u8; KEY_BYTES]>;

/// A fresh secret.
pub fn secret(clock: &Clock) -> Secret {
    Zeroizing::new(clock.random())
}

/// The name of a key: the first eight bytes of its digest, in hex. It gives nothing away of a secret
/// of 32 random bytes.
pub fn name(key: &[u8; KEY_BYTES]) -> String {
    hex::encode(&Sha256::new().chain_update("counterfoil key name").chain_update(key).finalize()[..8])
}

/// Seals under a key that is used with ever other nonces.
pub fn seal(key: &[u8; KEY_BYTES], nonce: &[u8; NONCE_BYTES], purpose: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    let cipher = XChaCha20Poly1305::new(&Key::from(*key));
    cipher.encrypt(&XNonce::from(*nonce), Payload { msg: text, aad: purpose }).ok()
}

/// Opens; `None` if the key, the nonce, the purpose or the box is not the one it was sealed with.
pub fn open(key: &[u8; KEY_BYTES], nonce: &[u8], purpose: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let nonce: [u8; NONCE_BYTES] = nonce.try_into().ok()?;
    let cipher = XChaCha20Poly1305::new(&Key::from(*key));
    let opened = cipher.decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad: purpose }).ok()?;
    Some(Zeroizing::new(opened))
}

/// Nonce and box in one.
pub fn wrap(key: &[u8; KEY_BYTES], clock: &Clock, purpose: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    let nonce = clock.random::<NONCE_BYTES>();
    let mut wrapped = nonce.to_vec();
    wrapped.extend(seal(key, &nonce, purpose, text)?);
    Some(wrapped)
}

/// Opens what [`wrap`] made.
pub fn unwrap(key: &[u8; KEY_BYTES], purpose: &[u8], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = wrapped.split_at_checked(NONCE_BYTES)?;
    open(key, nonce, purpose, sealed)
}

/// The public key of a private one.
pub fn public(private: &[u8; KEY_BYTES]) -> [u8; KEY_BYTES] {
    x25519(*private, X25519_BASEPOINT_BYTES)
}

/// Seals for whoever has the private key of `to`: a fresh public key, and the box.
pub fn seal_for(to: &[u8; KEY_BYTES], clock: &Clock, purpose: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    let fresh = secret(clock);
    let ours = public(&fresh);
    let (key, nonce) = agreed(&fresh, to, &ours, to)?;
    let mut sealed = ours.to_vec();
    sealed.extend(seal(&key, &nonce, purpose, text)?);
    Some(sealed)
}

/// Opens what [`seal_for`] made.
pub fn open_with(private: &[u8; KEY_BYTES], purpose: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (theirs, sealed) = sealed.split_at_checked(KEY_BYTES)?;
    let theirs: [u8; KEY_BYTES] = theirs.try_into().ok()?;
    let (key, nonce) = agreed(private, &theirs, &theirs, &public(private))?;
    open(&key, &nonce, purpose, sealed)
}

/// Key and nonce that only the two sides can make. A public key of small order gives the same secret
/// to everybody, so it is refused.
fn agreed(
    private: &[u8; KEY_BYTES],
    other: &[u8; KEY_BYTES],
    fresh: &[u8; KEY_BYTES],
    to: &[u8; KEY_BYTES],
) -> Option<(Secret, [u8; NONCE_BYTES])> {
    let shared = Zeroizing::new(x25519(*private, *other));
    if shared.iter().all(|byte| *byte == 0) {
        return None;
    }
    let mut salt = fresh.to_vec();
    salt.extend_from_slice(to);
    let derived = Hkdf::<Sha256>::new(Some(&salt), shared.as_slice());
    let (mut key, mut nonce) = (Secret::default(), [0; NONCE_BYTES]);
    derived.expand(b"counterfoil recovery key", key.as_mut_slice()).ok()?;
    derived.expand(b"counterfoil recovery nonce", &mut nonce).ok()?;
    Some((key, nonce))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::clock::Moment;

    fn clock() -> Clock {
        Clock::fixed(Moment(0), 3)
    }

    #[test]
    fn a_box_opens_only_with_its_key_and_purpose_and_unchanged() {
        let (clock, key) = (clock(), [7; 32]);
        let wrapped = wrap(&key, &clock, b"entry 4", b"secret").unwrap();
        assert_eq!(unwrap(&key, b"entry 4", &wrapped).unwrap().as_slice(), b"secret");
        assert!(unwrap(&[8; 32], b"entry 4", &wrapped).is_none());
        assert!(unwrap(&key, b"entry 5", &wrapped).is_none());
        assert!(unwrap(&key, b"entry 4", &wrapped[..10]).is_none());
        for at in 0..wrapped.len() {
            let mut changed = wrapped.clone();
            changed[at] ^= 1;
            assert!(unwrap(&key, b"entry 4", &changed).is_none(), "{at}");
        }
        assert_ne!(wrap(&key, &clock, b"entry 4", b"secret").unwrap(), wrapped, "ever another nonce");
    }

    #[test]
    fn what_is_sealed_for_a_public_key_opens_with_its_private_one() {
        let clock = clock();
        let private = secret(&clock);
        let sealed = seal_for(&public(&private), &clock, b"month", b"key").unwrap();
        assert_eq!(open_with(&private, b"month", &sealed).unwrap().as_slice(), b"key");
        assert!(open_with(&secret(&clock), b"month", &sealed).is_none());
        assert!(open_with(&private, b"other", &sealed).is_none());
        assert!(seal_for(&[0; 32], &clock, b"month", b"key").is_none(), "a key of small order");
    }

    #[test]
    fn the_agreement_is_the_published_one() {
        // RFC 7748, section 5.2: one iteration of the function on itself.
        let mut nine = [0; 32];
        nine[0] = 9;
        assert_eq!(hex::encode(public(&nine)), "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
    }
}
