package dev.perseid.inference;

import dev.perseid.core.Hash;

/// One request to a model. Immutable, as long as nobody changes the array of its body.
public final class Request {
  private final String id;
  private final Api api;
  private final Hash model;
  private final byte[] body;
  private final boolean stream;

  /// @param id its name for ever, at most 64 characters of `[A-Za-z0-9_-]`
  /// @param api which call
  /// @param model hash of the model's manifest
  /// @param body the call's JSON object, UTF-8; its `model` is the name under which the consumer
  ///   asked. Fields that a backend does not know are for those that do. Not copied
  /// @param stream whether the answer shall come in chunks; always equal to the body's `stream`
  public Request(String id, Api api, Hash model, byte[] body, boolean stream) {
    this.id = id;
    this.api = api;
    this.model = model;
    this.body = body;
    this.stream = stream;
  }

  /// Its name for ever.
  public String id() {
    return id;
  }

  /// Which call.
  public Api api() {
    return api;
  }

  /// Hash of the model's manifest.
  public Hash model() {
    return model;
  }

  /// The call's JSON object; not to be changed.
  public byte[] body() {
    return body;
  }

  /// Whether the answer shall come in chunks.
  public boolean stream() {
    return stream;
  }
}
