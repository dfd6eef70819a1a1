package dev.perseid.chain;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;

/// The state that a question is about.
public sealed interface At {
  /// The newest that a node knows. It may be reorganised away.
  record Latest() implements At {}

  /// That after a block and no other.
  record Block(Head head) implements At {}

  /// The newest.
  static At latest() {
    return new Latest();
  }

  /// After this block.
  static At block(Head head) {
    return new Block(head);
  }

  /// As JSON-RPC writes it (EIP-1898).
  default JsonNode json() {
    return switch (this) {
      case Latest() -> JsonNodeFactory.instance.textNode("latest");
      case Block(Head head) ->
          JsonNodeFactory.instance.objectNode().put("blockHash", Hex.of(head.hash()));
    };
  }
}
