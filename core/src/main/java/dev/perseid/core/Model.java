package dev.perseid.core;

/// A published version of a model, as its author signed it (EIP-712 `Model`) and the pool lists it.
/// All else about the model stands in the manifest that the hash names.
///
/// @param author who published it and gets the royalty
/// @param name 1 to 96 characters of `[A-Za-z0-9._/-]`; belongs to who published it first in a pool
/// @param version 1 to 32 characters of `[A-Za-z0-9._-]`; never published twice with other content
/// @param manifest SHA-256 of the manifest's bytes: the model's identity
/// @param task what it is for
/// @param format of its files: `gguf`, `onnx`, `wasm`, or `api` where only a server next door has
///   them
/// @param quantisation of its weights, e.g. `f32`, `q8_0`, `q4_k_m`
/// @param parameters how many it has, 0 if unknown
/// @param contextTokens the longest prompt and answer together, 0 where that has no meaning
/// @param licence SPDX identifier or a name
/// @param royaltyPermille the author's share of each charge, in thousandths
/// @param madeUs when it was signed, microseconds of the author's clock since the epoch
public record Model(
    Address author,
    String name,
    String version,
    Hash manifest,
    ModelTask task,
    String format,
    String quantisation,
    long parameters,
    int contextTokens,
    String licence,
    int royaltyPermille,
    long madeUs) {
  /// `name:version`, as requests may write it.
  public String fullName() {
    return name + ":" + version;
  }
}
