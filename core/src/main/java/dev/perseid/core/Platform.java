package dev.perseid.core;

import java.util.Optional;

/// What native programs are made for: an operating system and an instruction set.
public enum Platform {
  /// Linux on 64-bit x86.
  LINUX_X86_64("linux-x86_64"),
  /// Linux on 64-bit ARM.
  LINUX_AARCH64("linux-aarch64");

  private final String word;

  Platform(String word) {
    this.word = word;
  }

  /// As job files and messages name it.
  public String word() {
    return word;
  }

  /// The platform of a name; empty if it is none.
  public static Optional<Platform> named(String word) {
    for (Platform platform : values()) {
      if (platform.word.equals(word)) {
        return Optional.of(platform);
      }
    }
    return Optional.empty();
  }
}
