package dev.perseid.engine;

/// What a thread works for, as long as it is wanted.
interface Mortal {
  /// Whether nothing of it is wanted any more. Once it is so it stays so.
  boolean dead();
}
