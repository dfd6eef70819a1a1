package dev.perseid.engine;

/// Something that a thread waits for.
interface Awaited {
  boolean isDone();
}
