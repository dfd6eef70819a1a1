package dev.perseid.node;

import java.time.InstantSource;

/// What decides who may come in, at every port of a pool.
record Security(Sessions sessions, Entrance entrance, Signatures signatures) {
  static Security of(
      PoolConfig config, InstantSource clock, PoolMarket market, Signatures signatures) {
    Sessions sessions = new Sessions(config.key().address(), config.access(), signatures);
    SignedCalls signed = new SignedCalls(config.key().address(), config.access(), clock.millis());
    return new Security(sessions, new Entrance(sessions, market.keys(), signed, clock), signatures);
  }
}
