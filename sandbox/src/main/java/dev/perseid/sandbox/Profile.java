package dev.perseid.sandbox;

import java.util.Optional;
import run.endive.wasm.Parser;

/// Profile 1 of portable tasks: which modules may run. See docs/portable-tasks.md.
public final class Profile {
  private Profile() {}

  /// Why a module is refused, in one sentence for its author; empty when it may run. Runs nothing.
  /// Linear in the size of the module; safe for hostile bytes.
  public static Optional<String> refusal(byte[] wasm) {
    try {
      prepare(wasm);
      return Optional.empty();
    } catch (Refused e) {
      return Optional.of(String.valueOf(e.getMessage()));
    }
  }

  /// Validates the original, and only then rewrites it: validation of the result alone would let
  /// the original address what the rewriting adds.
  static Metered prepare(byte[] wasm) throws Refused {
    Anatomy anatomy = Anatomy.read(wasm);
    for (Anatomy.Body body : anatomy.bodies) {
      Instructions.read(anatomy, body);
    }
    try {
      var _ = Parser.parse(wasm);
    } catch (RuntimeException | StackOverflowError e) {
      throw new Refused("the module is not valid WebAssembly: " + e.getMessage());
    }
    return new Metered(Meter.rewrite(anatomy), anatomy.initialPages, anatomy.maxPages);
  }

  /// A rewritten module, and the memory that the original asked for in pages of 64 KiB.
  @SuppressWarnings("ArrayRecordComponent") // never compared
  record Metered(byte[] wasm, int initialPages, int maxPages) {}
}
