package dev.perseid.node;

import dev.perseid.core.Hash;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/// The blobs of published models: everybody who has logged in may read them. Safe for any thread.
final class PublishedFiles {
  private final Set<Hash> open = ConcurrentHashMap.newKeySet();

  boolean has(Hash blob) {
    return open.contains(blob);
  }

  void add(Hash blob) {
    open.add(blob);
  }
}
