/// An EVM chain over JSON-RPC: coding, transactions that are never paid twice, the contracts of
/// `docs/contracts.md`, and a local chain. `docs/chain.md` describes what is trusted and what not.
@NullMarked
package dev.perseid.chain;

import org.jspecify.annotations.NullMarked;
