package dev.perseid.node;

import dev.perseid.core.Hash;
import java.util.List;

/// A run of the disputed task that can be asked for its hash at any position.
public interface Replay {
  /// It cannot be run on this machine.
  final class Impossible extends Exception {
    private static final long serialVersionUID = 1;

    /// @param why one sentence for people
    public Impossible(String why) {
      super(why);
    }
  }

  /// How many steps the task takes to its end.
  long steps() throws Impossible, InterruptedException;

  /// The hashes at some positions, which rise; after the end all are the end's.
  List<Hash> at(List<Long> positions) throws Impossible, InterruptedException;
}
