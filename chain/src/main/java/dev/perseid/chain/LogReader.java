package dev.perseid.chain;

import dev.perseid.core.Hash;
import java.util.List;
import java.util.Optional;

/// Goes through the logs of a chain, some blocks at a time: fewer while the node does not tell of
/// as many as were asked for. Who reads keeps the cursor. Used by one thread.
final class LogReader {
  /// Asks for the logs of some blocks.
  interface Question {
    List<Log> ask(long from, Head end) throws ChainException;
  }

  /// What was read.
  ///
  /// @param to up to where there is something to read
  /// @param from the first that was asked for; beyond `end` if there is none
  /// @param end the last that was asked for
  /// @param isRewound whether the block at the cursor is another one now: this begins anew
  record Part(Head to, long from, Head end, List<Log> logs, boolean isRewound) {
    boolean isEmpty() {
      return from > end.number();
    }

    /// Where to go on.
    Cursor cursor() {
      return new Cursor(end.number(), end.hash());
    }

    boolean isCaughtUp() {
      return end.number() == to.number();
    }
  }

  private final Chain chain;
  private final long fromBlock;
  private final long mostBlocks;
  private long blocks;
  private int wentWell;

  /// @param fromBlock there is nothing before
  /// @param mostBlocks of how many blocks logs are asked at once
  LogReader(Chain chain, long fromBlock, long mostBlocks) {
    this.chain = chain;
    this.fromBlock = fromBlock;
    this.mostBlocks = mostBlocks;
    this.blocks = mostBlocks;
  }

  /// Where to begin.
  Cursor start() {
    return new Cursor(fromBlock - 1, Hash.ZERO);
  }

  /// Reads on.
  ///
  /// @param to the newest block that is deep enough
  /// @return nothing if that is before the cursor: the node is behind, or was changed for one that
  ///   is
  /// @throws ChainException if the chain cannot be asked or is not to be believed. After that fewer
  ///   blocks are asked for at once
  Optional<Part> after(Cursor cursor, Head to, Question question) throws ChainException {
    long last = cursor.block();
    if (to.number() < last) {
      return Optional.empty();
    }
    boolean rewound =
        !cursor.hash().equals(Hash.ZERO) && !chain.block(last).hash().equals(cursor.hash());
    if (rewound) {
      last = fromBlock - 1;
    }
    long from = Math.max(0, last + 1);
    while (true) {
      long until = Math.min(to.number(), last + blocks);
      Head end = until == to.number() ? to : chain.block(until);
      if (from > until) {
        return Optional.of(new Part(to, from, end, List.of(), rewound));
      }
      try {
        List<Log> logs = question.ask(from, end);
        grow();
        return Optional.of(new Part(to, from, end, logs, rewound));
      } catch (ChainException e) {
        // Nodes refuse what gives too many logs, or take too long for it.
        boolean isRefused = e.kind() == ChainException.Kind.REFUSED;
        if (isRefused || e.kind() == ChainException.Kind.UNREACHABLE) {
          blocks = Math.max(1, Math.min(blocks, until - from + 1) / 2);
          wentWell = 0;
        }
        if (!isRefused || from == until) {
          throw e;
        }
      }
    }
  }

  private void grow() {
    if (++wentWell >= Limits.LOGS_WELL) {
      wentWell = 0;
      blocks = Math.min(mostBlocks, 2 * blocks);
    }
  }
}
