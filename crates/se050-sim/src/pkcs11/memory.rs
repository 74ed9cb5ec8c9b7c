//! The client's memory.

use cryptoki_sys::*;

use crate::module::{Answer, SearchTemplate, TemplateLabel};

/// A label is copied into 32 bytes, the last of which is its NUL.
const LABEL_SCAN: usize = 31;

/// Writes one value.
///
/// # Safety
/// `to` is null or may be written to.
pub(super) unsafe fn write<T>(to: *mut T, value: T) -> Answer<()> {
    if to.is_null() {
        return Err(CKR_ARGUMENTS_BAD);
    }
    // SAFETY: the caller's promise.
    unsafe { to.write(value) };
    Ok(())
}

/// Reads one value, wherever it lies.
///
/// # Safety
/// `from` is null or points to a `T`, aligned or not.
pub(super) unsafe fn read<T: Copy>(from: *const T) -> Answer<T> {
    if from.is_null() {
        return Err(CKR_ARGUMENTS_BAD);
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { from.read_unaligned() })
}

/// An array that the client lets the module read.
///
/// # Safety
/// `from` is null or points to `count` values that stay as they are for `'a`.
pub(super) unsafe fn array<'a, T>(from: *const T, count: CK_ULONG) -> Answer<&'a [T]> {
    let count = fitting::<T>(count)?;
    if from.is_null() {
        return Err(CKR_ARGUMENTS_BAD);
    }
    // SAFETY: the caller's promise, and no more than an allocation can hold.
    Ok(unsafe { std::slice::from_raw_parts(from, count) })
}

/// An array that the client lets the module write.
///
/// # Safety
/// `to` is null or points to `count` values that nobody else uses for `'a`.
pub(super) unsafe fn array_mut<'a, T>(to: *mut T, count: CK_ULONG) -> Answer<&'a mut [T]> {
    let count = fitting::<T>(count)?;
    if to.is_null() {
        return Err(CKR_ARGUMENTS_BAD);
    }
    // SAFETY: the caller's promise, and no more than an allocation can hold.
    Ok(unsafe { std::slice::from_raw_parts_mut(to, count) })
}

/// What the module takes from a search template.
///
/// # Safety
/// The attributes' values may be read: a label up to its NUL, an id for 4 bytes, a class for a `CK_ULONG`.
pub(super) unsafe fn search_template(attributes: &[CK_ATTRIBUTE]) -> Answer<SearchTemplate> {
    let mut template = SearchTemplate::default();
    for attribute in attributes {
        let value = attribute.pValue;
        // SAFETY: the caller's promise.
        unsafe {
            match attribute.type_ {
                CKA_LABEL => template.label = Some(label(attribute)?),
                // Four bytes whatever the client says: the real module does not look.
                CKA_ID => template.id = Some(read(value.cast())?),
                CKA_CLASS => template.class = Some(read(value.cast())?),
                _ => {}
            }
        }
    }
    Ok(template)
}

/// Reads a label as the real module does: as a C string, past the length that the client gives, up to a NUL.
///
/// A client that forgets the NUL makes the real module read memory that is not the client's, which goes well or ends
/// in a segmentation fault. To be found out every time, it gets an error here.
///
/// # Safety
/// The value may be read up to a NUL or for 31 bytes.
unsafe fn label(attribute: &CK_ATTRIBUTE) -> Answer<TemplateLabel> {
    let start = attribute.pValue.cast::<u8>().cast_const();
    if attribute.ulValueLen == 0 {
        return Ok(TemplateLabel { text: Vec::new(), length: 0 });
    }
    if start.is_null() {
        return Err(CKR_ARGUMENTS_BAD);
    }
    let length = usize::try_from(attribute.ulValueLen).unwrap_or(usize::MAX);
    let mut text = Vec::new();
    let mut terminated = false;
    for offset in 0..=LABEL_SCAN {
        // SAFETY: the caller's promise; no byte behind the NUL is read.
        match unsafe { start.add(offset).read() } {
            0 => {
                terminated = true;
                break;
            }
            byte => text.push(byte),
        }
    }
    if !terminated || text.len() > length {
        eprintln!(
            "se050-sim: a label that does not end in a NUL byte right behind its length (at most 31 bytes)"
        );
        return Err(CKR_FUNCTION_FAILED);
    }
    Ok(TemplateLabel { text, length })
}

fn fitting<T>(count: CK_ULONG) -> Answer<usize> {
    let count = usize::try_from(count).map_err(|_| CKR_ARGUMENTS_BAD)?;
    let bytes = count.checked_mul(size_of::<T>());
    bytes.filter(|bytes| isize::try_from(*bytes).is_ok()).map(|_| count).ok_or(CKR_ARGUMENTS_BAD)
}
