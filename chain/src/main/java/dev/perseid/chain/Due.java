package dev.perseid.chain;

import dev.perseid.core.Address;

/// All that a payee is due from a pool since the start, in units of the token.
public record Due(Address payee, long cumulative) {
  public Due {
    if (cumulative < 0) {
      throw new IllegalArgumentException("an amount must not be negative: " + cumulative);
    }
  }
}
