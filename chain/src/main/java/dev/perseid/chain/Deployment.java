package dev.perseid.chain;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.core.Address;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/// Where the contracts are: a small file of JSON that operators hand around.
///
/// @param fromBlock none of the contracts did anything before this block
/// @param dispute where disputes are decided, if anywhere
public record Deployment(
    long chainId,
    Address token,
    Address registry,
    Address escrow,
    Address court,
    Address collateral,
    long fromBlock,
    Optional<Address> dispute) {
  /// Without a contract for disputes.
  public Deployment(
      long chainId,
      Address token,
      Address registry,
      Address escrow,
      Address court,
      Address collateral,
      long fromBlock) {
    this(chainId, token, registry, escrow, court, collateral, fromBlock, Optional.empty());
  }

  /// The same, with a contract for disputes.
  public Deployment withDispute(Address at) {
    return new Deployment(
        chainId, token, registry, escrow, court, collateral, fromBlock, Optional.of(at));
  }

  private static final ObjectMapper JSON = new ObjectMapper();

  /// As JSON.
  public String toJson() {
    ObjectNode root = JSON.createObjectNode();
    root.put("chain_id", chainId).put("token", token.toString());
    root.put("registry", registry.toString()).put("escrow", escrow.toString());
    root.put("court", court.toString()).put("collateral", collateral.toString());
    root.put("from_block", fromBlock);
    dispute.ifPresent(at -> root.put("dispute", at.toString()));
    return root.toPrettyString() + "\n";
  }

  /// Reads a file.
  ///
  /// @throws ChainException of kind `INPUT` that says what is wrong with it
  public static Deployment read(Path file) throws ChainException {
    try {
      if (Files.size(file) > Limits.DEPLOYMENT_BYTES) {
        throw ChainException.input(file + " is too large for a deployment");
      }
      return ofJson(Files.readString(file));
    } catch (IOException e) {
      throw ChainException.input(
          "the deployment " + file + " cannot be read; 'perseid chain deploy' writes one: " + e);
    }
  }

  /// Reads what [#toJson] writes.
  ///
  /// @throws ChainException of kind `INPUT` that says what is wrong with it
  public static Deployment ofJson(String text) throws ChainException {
    try {
      JsonNode root = JSON.readTree(text);
      if (root == null
          || !root.path("chain_id").canConvertToLong()
          || !root.path("from_block").canConvertToLong()) {
        throw ChainException.input(
            "this is no deployment: it needs chain_id, token, registry, escrow, court, collateral"
                + " and from_block");
      }
      return new Deployment(
          root.path("chain_id").longValue(),
          address(root, "token"),
          address(root, "registry"),
          address(root, "escrow"),
          address(root, "court"),
          address(root, "collateral"),
          root.path("from_block").longValue(),
          root.has("dispute") ? Optional.of(address(root, "dispute")) : Optional.empty());
    } catch (JacksonException e) {
      throw ChainException.input("this deployment is not JSON");
    }
  }

  private static Address address(JsonNode root, String field) throws ChainException {
    try {
      return Address.parse(root.path(field).asText());
    } catch (IllegalArgumentException e) {
      throw ChainException.input("this deployment's '" + field + "': " + e.getMessage());
    }
  }

  /// Checks that a chain is the right one, that the contracts are there, that they belong together,
  /// and that the token can be used.
  ///
  /// @throws ChainException of kind `WRONG_CHAIN` or `INPUT`, or what asking fails with
  public void check(Chain chain) throws ChainException {
    if (chain.id() != chainId) {
      throw new ChainException(
          ChainException.Kind.WRONG_CHAIN,
          "the deployment is on chain "
              + chainId
              + ", the node is of chain "
              + chain.id()
              + ": name an RPC address of the right chain, or another deployment");
    }
    Map<String, Address> all =
        new TreeMap<>(
            Map.of(
                "registry", registry, "escrow", escrow, "court", court, "collateral", collateral));
    dispute.ifPresent(at -> all.put("dispute", at));
    for (Map.Entry<String, Address> one : all.entrySet()) {
      String name = one.getKey();
      Address address = one.getValue();
      if (chain.code(address, At.latest()).length == 0) {
        throw ChainException.input(
            "there is no contract at "
                + address
                + ", the deployment's "
                + name
                + ": was the chain started anew?");
      }
    }
    Escrow at = new Escrow(chain, escrow);
    Address holds;
    Address asks;
    try {
      holds = at.token(At.latest());
      asks = at.registry(At.latest());
    } catch (ChainException e) {
      throw switch (e.kind()) {
        case REVERTED, UNTRUSTED -> ChainException.input(escrow + " is no escrow of Perseid's");
        case UNREACHABLE, WRONG_CHAIN, REFUSED, POOR, DEAR, INPUT -> e;
      };
    }
    if (!holds.equals(token) || !asks.equals(registry)) {
      throw ChainException.input(
          "the escrow "
              + escrow
              + " holds the token "
              + holds
              + " and asks the registry "
              + asks
              + ", which are not those of the deployment");
    }
    if (dispute.isPresent()) {
      Address by = new Dispute(chain, dispute.get()).registry(At.latest());
      if (!by.equals(registry)) {
        throw ChainException.input(
            "the contract for disputes asks the registry "
                + by
                + ", which is not the deployment's");
      }
    }
    new Token(chain, token).check();
  }
}
