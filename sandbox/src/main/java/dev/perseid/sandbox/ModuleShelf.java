package dev.perseid.sandbox;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The modules that a child keeps compiled, by SHA-256; the least recently used go first.
final class ModuleShelf {
  /// A module on the shelf: ready, or refused.
  sealed interface Entry {
    record Ready(Engine engine) implements Entry {}

    record Refusal(String message) implements Entry {}
  }

  private static final class Place {
    private @Nullable Entry entry;
  }

  private final Path folder;

  private final Map<String, Place> places =
      new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Place> eldest) {
          return size() > Limits.COMPILED_MODULES;
        }
      };

  ModuleShelf(Path folder) {
    this.folder = folder;
  }

  /// The module of that hash, compiled on first use. Others do not wait for the compiler, except
  /// for the same module.
  Entry get(String sha256) {
    Place place;
    synchronized (places) {
      place = places.computeIfAbsent(sha256, k -> new Place());
    }
    synchronized (place) {
      Entry entry = place.entry;
      if (entry == null) {
        entry = load(sha256);
        place.entry = entry;
      }
      return entry;
    }
  }

  private Entry load(String sha256) {
    try {
      byte[] wasm = Files.readAllBytes(folder.resolve(Frames.moduleName(sha256)));
      return new Entry.Ready(Engine.compiled(Profile.prepare(wasm)));
    } catch (Refused e) {
      return new Entry.Refusal(String.valueOf(e.getMessage()));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
