package dev.perseid.chain;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.settle.Keccak;
import java.math.BigInteger;
import java.net.URI;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Function;

/// An EVM chain, seen through one or several nodes. With several, what is asked about a block that
/// is named by its hash counts only if more than half of them answer and all that answer say the
/// same. Nothing that a node says is used before it was checked for what can be checked of it. Safe
/// for any thread; each question takes as long as [Limits#ANSWER_MS] allows.
public final class Chain implements AutoCloseable {
  /// Where a transaction was seen.
  sealed interface Sighting {
    /// More than half of the nodes know its receipt, and agree.
    record Here(Receipt receipt) implements Sighting {}

    /// Some know one, or they differ: wait.
    record Somewhere() implements Sighting {}

    /// None knows one.
    record Nowhere() implements Sighting {}
  }

  /// What the nodes made of a transaction that was sent to them.
  sealed interface Sent {
    /// One has it.
    record Taken() implements Sent {}

    /// All refused it.
    ///
    /// @param why in the words of the first
    record Refused(String why) implements Sent {}
  }

  private interface Reader<T> {
    /// Reads a result.
    T read(JsonNode result) throws ChainException;
  }

  private final List<Rpc> nodes;
  private final long id;

  private Chain(List<Rpc> nodes, long id) {
    this.nodes = nodes;
    this.id = id;
  }

  /// Opens a chain and asks every node which one it is. More than half of them must answer.
  ///
  /// @param urls of nodes, at least one
  /// @param wanted the chain's id, if it is known beforehand
  public static Chain connect(List<URI> urls, OptionalLong wanted) throws ChainException {
    return connect(urls, wanted, Limits.ANSWER_MS);
  }

  static Chain connect(List<URI> urls, OptionalLong wanted, long answerMs) throws ChainException {
    if (urls.isEmpty() || urls.size() > Limits.RPCS) {
      throw ChainException.input("write 1 to " + Limits.RPCS + " RPC addresses");
    }
    List<Rpc> nodes = new ArrayList<>();
    boolean done = false;
    try {
      for (URI url : urls) {
        nodes.add(Rpc.at(url, answerMs));
      }
      OptionalLong id = wanted;
      int answered = 0;
      Optional<ChainException> silent = Optional.empty();
      for (Rpc node : nodes) {
        try {
          id = OptionalLong.of(checkId(node, id));
          answered++;
        } catch (ChainException e) {
          if (e.kind() != ChainException.Kind.UNREACHABLE) {
            throw e;
          }
          silent = Optional.of(e);
        }
      }
      if (silent.isPresent() && answered <= nodes.size() / 2) {
        throw silent.get();
      }
      Chain chain = new Chain(List.copyOf(nodes), id.orElseThrow());
      done = true;
      return chain;
    } finally {
      if (!done) {
        nodes.forEach(Rpc::close);
      }
    }
  }

  private static long checkId(Rpc node, OptionalLong wanted) throws ChainException {
    long said = Hex.small(node.ask("eth_chainId").asText());
    if (wanted.isPresent() && wanted.getAsLong() != said) {
      throw new ChainException(
          ChainException.Kind.WRONG_CHAIN,
          "the node at "
              + node.name()
              + " is of chain "
              + said
              + ", not of chain "
              + wanted.getAsLong()
              + ": name an RPC address of the right chain");
    }
    return said;
  }

  /// The chain's id (EIP-155).
  public long id() {
    return id;
  }

  /// The nodes, for messages, without what may be secret in their addresses.
  public List<String> nodeNames() {
    return nodes.stream().map(Rpc::name).toList();
  }

  /// Asks every node again which chain it is of: an address may lead elsewhere by now.
  public void checkId() throws ChainException {
    each(node -> checkId(node, OptionalLong.of(id)));
  }

  // ---- blocks -----------------------------------------------------------------------------------

  /// The newest block: of several nodes, that of the one that is most behind.
  public Head head() throws ChainException {
    Head least = null;
    for (Head one : each(node -> head(node.ask(BLOCK, text("latest"), bool(false)), -1))) {
      if (least == null || one.number() < least.number()) {
        least = one;
      }
    }
    if (least == null) {
      throw new IllegalStateException("more than half have answered");
    }
    return least;
  }

  /// The block that has so many confirmations, itself counted; the first one if there are too few.
  ///
  /// @param confirmations 1 is the newest block
  public Head confirmed(int confirmations) throws ChainException {
    if (confirmations < 1) {
      throw new IllegalArgumentException("a block confirms itself: 1 at least");
    }
    Head newest = head();
    if (confirmations == 1 && nodes.size() == 1) {
      return newest;
    }
    return block(Math.max(0, newest.number() - confirmations + 1));
  }

  /// The block at a height, on which the nodes agree.
  public Head block(long number) throws ChainException {
    return agreed(
        "block " + number, BLOCK, r -> head(r, number), h -> h, text(Hex.of(number)), bool(false));
  }

  /// Whether the receipt's block is the one at its height, and has the transaction.
  boolean stands(Receipt receipt) throws ChainException {
    return agreed(
        "block " + receipt.block(),
        BLOCK,
        r -> {
          if (!head(r, receipt.block()).hash().equals(receipt.blockHash())) {
            return false;
          }
          String wanted = Hex.of(receipt.transaction());
          for (JsonNode one : r.path("transactions")) {
            if (one.asText().equalsIgnoreCase(wanted)) {
              return true;
            }
          }
          throw ChainException.untrusted(
              "the node has a receipt of "
                  + wanted
                  + " but its block is without it: nothing of it counts");
        },
        yes -> yes,
        text(Hex.of(receipt.block())),
        bool(false));
  }

  private static Head head(JsonNode block, long wanted) throws ChainException {
    if (!block.isObject()) {
      throw new ChainException(
          ChainException.Kind.UNREACHABLE,
          "the node does not know the block " + wanted + " yet: ask again later");
    }
    Head head =
        new Head(
            Hex.small(block.path("number").asText()),
            Hex.hash(block.path("hash").asText()),
            Hex.hash(block.path("parentHash").asText()),
            Hex.small(block.path("timestamp").asText()),
            block.hasNonNull("baseFeePerGas")
                ? Optional.of(Hex.number(block.path("baseFeePerGas").asText()))
                : Optional.empty(),
            Hex.small(block.path("gasLimit").asText()));
    if (wanted >= 0 && head.number() != wanted) {
      throw ChainException.untrusted(
          "the node answers block " + head.number() + " where block " + wanted + " was asked");
    }
    return head;
  }

  // ---- state ------------------------------------------------------------------------------------

  /// The code of an account; empty if it has none.
  public byte[] code(Address account, At at) throws ChainException {
    return state("eth_getCode", r -> Hex.bytes(r.asText()), Hex::of, account, at);
  }

  /// Wei of an account.
  public BigInteger balance(Address account, At at) throws ChainException {
    return state("eth_getBalance", r -> Hex.number(r.asText()), b -> b, account, at);
  }

  /// How many transactions an account has sent.
  public long nonce(Address account, At at) throws ChainException {
    return state("eth_getTransactionCount", r -> Hex.small(r.asText()), n -> n, account, at);
  }

  /// As [#nonce], with those that wait: the highest that any node says.
  long pendingNonce(Address account) throws ChainException {
    long most = 0;
    for (long one :
        each(node ->
            Hex.small(
                node.ask("eth_getTransactionCount", text(account.toString()), text("pending"))
                    .asText()))) {
      most = Math.max(most, one);
    }
    return most;
  }

  /// Which transaction of an account took a nonce, as of a block: looked up in the block where it
  /// stands.
  ///
  /// @param as a block at which the nonce is taken
  /// @return nothing if the node does not know states that are so old
  Optional<Hash> taker(Address account, long nonce, Head as) throws ChainException {
    long taken = as.number();
    long step = 1;
    long free = taken - 1;
    while (free >= 0) {
      OptionalLong then = nonceAt(account, free);
      if (then.isEmpty()) {
        return Optional.empty();
      }
      if (then.getAsLong() <= nonce) {
        break;
      }
      taken = free;
      free = Math.max(-1, free - step);
      step *= 2;
    }
    while (taken - free > 1) {
      long middle = free + (taken - free) / 2;
      OptionalLong then = nonceAt(account, middle);
      if (then.isEmpty()) {
        return Optional.empty();
      }
      if (then.getAsLong() <= nonce) {
        free = middle;
      } else {
        taken = middle;
      }
    }
    long at = taken;
    return agreed(
        "block " + at,
        BLOCK,
        r -> {
          head(r, at);
          Optional<Hash> found = Optional.empty();
          for (JsonNode one : r.path("transactions")) {
            if (Hex.address(one.path("from").asText()).equals(account)
                && Hex.small(one.path("nonce").asText()) == nonce) {
              found = Optional.of(Hex.hash(one.path("hash").asText()));
            }
          }
          return found;
        },
        found -> found,
        text(Hex.of(at)),
        bool(true));
  }

  /// The nonce after a block; nothing if the state of then is not known any more.
  private OptionalLong nonceAt(Address account, long block) throws ChainException {
    try {
      long nonce =
          agreed(
              "a nonce",
              "eth_getTransactionCount",
              r -> Hex.small(r.asText()),
              n -> n,
              text(account.toString()),
              text(Hex.of(block)));
      return OptionalLong.of(nonce);
    } catch (ChainException e) {
      if (e.kind() == ChainException.Kind.REFUSED) {
        return OptionalLong.empty();
      }
      throw e;
    }
  }

  private <T> T state(String method, Reader<T> reader, Function<T, Object> key, Address a, At at)
      throws ChainException {
    return switch (at) {
      case At.Block b -> agreed(method, method, reader, key, text(a.toString()), at.json());
      case At.Latest l ->
          first(node -> reader.read(node.ask(method, text(a.toString()), at.json())));
    };
  }

  /// Asks a contract. What it reverts with is a failure of kind [ChainException.Kind#REVERTED].
  public AbiReader call(Address contract, byte[] data, At at) throws ChainException {
    return calls(List.of(Call.to(contract, "read", data)), at).getFirst();
  }

  /// Asks many questions about the same state; the answers are in their order.
  public List<AbiReader> calls(List<Call> calls, At at) throws ChainException {
    List<AbiReader> all = new ArrayList<>();
    for (int from = 0; from < calls.size(); from += Limits.BATCH) {
      List<Rpc.Question> questions = new ArrayList<>();
      for (Call call : calls.subList(from, Math.min(calls.size(), from + Limits.BATCH))) {
        questions.add(
            new Rpc.Question("eth_call", List.of(json(Optional.empty(), call), at.json())));
      }
      Asker<List<String>> asker =
          node -> {
            List<String> results = new ArrayList<>();
            for (Rpc.Answer answer : node.tell(questions)) {
              results.add(Hex.of(Hex.bytes(result(node, "eth_call", answer).asText())));
            }
            return results;
          };
      List<String> answers =
          switch (at) {
            case At.Block b -> agreed("a contract", asker);
            case At.Latest l -> first(asker);
          };
      for (String answer : answers) {
        all.add(new AbiReader(Hex.bytes(answer)));
      }
    }
    return all;
  }

  /// Asks a contract with a limit on what it may burn. What it reverts with is no failure.
  ///
  /// @return what it said; nothing if it reverted or burned too much
  Optional<byte[]> tryCall(Address contract, byte[] data, long gas, At at) throws ChainException {
    ObjectNode question = json(Optional.empty(), Call.to(contract, "read", data));
    question.put("gas", Hex.of(gas));
    Asker<String> asker =
        node ->
            switch (node.tell(List.of(new Rpc.Question("eth_call", List.of(question, at.json()))))
                .getFirst()) {
              case Rpc.Answer.Result(JsonNode value) -> Hex.of(Hex.bytes(value.asText()));
              case Rpc.Answer.Fault fault when reverted(fault) || burned(fault) -> "";
              case Rpc.Answer.Fault fault -> throw node.fault("eth_call", fault);
            };
    String answer =
        switch (at) {
          case At.Block b -> agreed("a contract", asker);
          case At.Latest l -> first(asker);
        };
    return answer.isEmpty() ? Optional.empty() : Optional.of(Hex.bytes(answer));
  }

  /// Why a contract would refuse a call, on the state of a block on which the nodes agree.
  ///
  /// @return nothing if it would not
  Optional<Revert> refusal(Address from, Call call, Head at) throws ChainException {
    Rpc.Question question =
        Rpc.Question.of("eth_call", json(Optional.of(from), call), At.block(at).json());
    String said =
        agreed(
            "a contract",
            node ->
                switch (node.tell(List.of(question)).getFirst()) {
                  case Rpc.Answer.Result _ -> "";
                  case Rpc.Answer.Fault fault when reverted(fault) -> Hex.of(revertData(fault));
                  case Rpc.Answer.Fault fault -> throw node.fault("eth_call", fault);
                });
    return said.isEmpty() ? Optional.empty() : Optional.of(Revert.of(Hex.bytes(said)));
  }

  /// What a transaction would use. If it would fail, says why.
  long estimate(Address from, Call call) throws ChainException {
    return first(node ->
        Hex.small(
            result(
                    node,
                    "eth_estimateGas",
                    node.tell(
                            List.of(
                                Rpc.Question.of("eth_estimateGas", json(Optional.of(from), call))))
                        .getFirst())
                .asText()));
  }

  /// Why a transaction failed that stands in a block: it is tried again on the state before.
  Optional<Revert> why(Address from, Call call, Head before) {
    try {
      first(node ->
          result(
              node,
              "eth_call",
              node.tell(
                      List.of(
                          Rpc.Question.of(
                              "eth_call", json(Optional.of(from), call), At.block(before).json())))
                  .getFirst()));
      return Optional.empty();
    } catch (ChainException e) {
      return e.revert();
    }
  }

  // ---- fees -------------------------------------------------------------------------------------

  /// What the nodes would give the maker of a block for a unit of gas, beyond the base fee: the
  /// lowest that one says.
  BigInteger tipWei() throws ChainException {
    BigInteger least = null;
    for (BigInteger one :
        each(node -> {
          Rpc.Answer answer =
              node.tell(List.of(Rpc.Question.of("eth_maxPriorityFeePerGas"))).getFirst();
          return switch (answer) {
            case Rpc.Answer.Result(JsonNode value) -> Hex.number(value.asText());
            case Rpc.Answer.Fault fault -> BigInteger.valueOf(1_000_000_000); // unknown to some
          };
        })) {
      least = least == null ? one : least.min(one);
    }
    return least == null ? BigInteger.ZERO : least;
  }

  /// What a unit of gas costs on a chain without a base fee.
  BigInteger priceWei() throws ChainException {
    BigInteger least = null;
    for (BigInteger one : each(node -> Hex.number(node.ask("eth_gasPrice").asText()))) {
      least = least == null ? one : least.min(one);
    }
    return least == null ? BigInteger.ZERO : least;
  }

  // ---- transactions -----------------------------------------------------------------------------

  /// Gives a transaction to all nodes. Giving it twice is the same as once.
  Sent send(byte[] signed) throws ChainException {
    String name = Hex.of(Keccak.hash(signed));
    Optional<String> refusal = Optional.empty();
    Optional<ChainException> silent = Optional.empty();
    boolean taken = false;
    for (Rpc node : nodes) {
      try {
        switch (node.tell(List.of(Rpc.Question.of("eth_sendRawTransaction", text(Hex.of(signed)))))
            .getFirst()) {
          case Rpc.Answer.Result(JsonNode value) -> {
            if (!value.asText().equalsIgnoreCase(name)) {
              throw ChainException.untrusted(
                  "the node at "
                      + node.name()
                      + " names a transaction otherwise than its bytes do");
            }
            taken = true;
          }
          case Rpc.Answer.Fault fault -> {
            String why = fault.message().toLowerCase(Locale.ROOT);
            if (why.contains("already known")
                || why.contains("already imported")
                || why.contains("known transaction")) {
              taken = true;
            } else if (refusal.isEmpty()) {
              refusal = Optional.of(fault.message());
            }
          }
        }
      } catch (ChainException e) {
        silent = Optional.of(e);
      }
    }
    if (taken) {
      return new Sent.Taken();
    }
    if (refusal.isPresent()) {
      return new Sent.Refused(refusal.get());
    }
    throw silent.orElseThrow();
  }

  /// Looks for the receipt of a transaction.
  ///
  /// @param sender who sent it
  /// @param gasLimit what it may use at most
  Sighting receipt(Hash transaction, Address sender, long gasLimit) throws ChainException {
    List<Optional<Receipt>> all =
        each(node -> {
          JsonNode found = node.ask("eth_getTransactionReceipt", text(Hex.of(transaction)));
          return found.isNull()
              ? Optional.empty()
              : Optional.of(receipt(node, found, transaction, sender, gasLimit));
        });
    List<Receipt> found = all.stream().flatMap(Optional::stream).toList();
    if (found.isEmpty()) {
      return new Sighting.Nowhere();
    }
    Receipt one = found.getFirst();
    boolean agree =
        found.stream()
            .allMatch(r ->
                r.blockHash().equals(one.blockHash())
                    && r.succeeded() == one.succeeded()
                    && r.gasUsed() == one.gasUsed());
    return agree && found.size() > nodes.size() / 2
        ? new Sighting.Here(one)
        : new Sighting.Somewhere();
  }

  private static Receipt receipt(
      Rpc node, JsonNode r, Hash transaction, Address sender, long gasLimit) throws ChainException {
    Hash named = Hex.hash(r.path("transactionHash").asText());
    Address from = Hex.address(r.path("from").asText());
    long gasUsed = Hex.small(r.path("gasUsed").asText());
    if (!named.equals(transaction) || !from.equals(sender) || gasUsed > gasLimit) {
      throw ChainException.untrusted(
          "the node at "
              + node.name()
              + " sent for "
              + Hex.of(transaction)
              + " the receipt of another transaction");
    }
    String status = r.path("status").asText();
    if (!status.equals("0x1") && !status.equals("0x0")) {
      throw ChainException.untrusted(
          "the node at " + node.name() + " does not say whether a transaction succeeded");
    }
    List<Log> logs = new ArrayList<>();
    for (JsonNode log : r.path("logs")) {
      logs.add(log(log));
    }
    return new Receipt(
        transaction,
        Hex.small(r.path("blockNumber").asText()),
        Hex.hash(r.path("blockHash").asText()),
        status.equals("0x1"),
        r.hasNonNull("contractAddress")
            ? Optional.of(Hex.address(r.path("contractAddress").asText()))
            : Optional.empty(),
        gasUsed,
        r.hasNonNull("effectiveGasPrice")
            ? Optional.of(Hex.number(r.path("effectiveGasPrice").asText()))
            : Optional.empty(),
        logs);
  }

  // ---- logs -------------------------------------------------------------------------------------

  /// The logs of one contract from a height up to a block, in their order.
  ///
  /// @param kinds first topics; those of other events are left out
  /// @param second what the second topic must be
  /// @param from at most [Limits#LOG_BLOCKS] below `to`
  public List<Log> logs(Address contract, List<Hash> kinds, Hash second, long from, Head to)
      throws ChainException {
    return logs(contract, kinds, Optional.of(second), Optional.empty(), from, to);
  }

  /// As the other, whatever the second topic is.
  List<Log> logs(Address contract, List<Hash> kinds, long from, Head to) throws ChainException {
    return logs(contract, kinds, Optional.empty(), Optional.empty(), from, to);
  }

  /// As the other, whatever the second topic is.
  ///
  /// @param third what the third topic must be
  List<Log> logsOfThird(Address contract, List<Hash> kinds, Hash third, long from, Head to)
      throws ChainException {
    return logs(contract, kinds, Optional.empty(), Optional.of(third), from, to);
  }

  /// As the other, of the block that another log is of.
  List<Log> logsBeside(Log log, Address contract, List<Hash> kinds, Hash third)
      throws ChainException {
    Head block = block(log.block());
    if (!block.hash().equals(log.blockHash())) {
      throw changed(log.block());
    }
    return logsOfThird(contract, kinds, third, log.block(), block);
  }

  /// Something was said of a block that is another one now.
  static ChainException changed(long block) {
    return new ChainException(
        ChainException.Kind.UNREACHABLE,
        "block " + block + " was changed for another meanwhile: ask again later");
  }

  private List<Log> logs(
      Address contract,
      List<Hash> kinds,
      Optional<Hash> second,
      Optional<Hash> third,
      long from,
      Head to)
      throws ChainException {
    if (to.number() - from >= Limits.LOG_BLOCKS) {
      throw new IllegalArgumentException("asked for logs of too many blocks at once");
    }
    ObjectNode filter = JsonNodeFactory.instance.objectNode();
    filter.put("address", contract.toString());
    filter.put("fromBlock", Hex.of(from)).put("toBlock", Hex.of(to.number()));
    ArrayNode topics = filter.putArray("topics");
    ArrayNode first = topics.addArray();
    kinds.forEach(kind -> first.add(Hex.of(kind)));
    if (third.isPresent()) {
      second.ifPresentOrElse(topic -> topics.add(Hex.of(topic)), topics::addNull);
      topics.add(Hex.of(third.get()));
    } else {
      second.ifPresent(topic -> topics.add(Hex.of(topic)));
    }
    return agreed(
        "the logs of blocks " + from + " to " + to.number(),
        "eth_getLogs",
        r -> {
          if (!r.isArray()) {
            throw ChainException.untrusted("the node sent no list of logs");
          }
          if (r.size() > Limits.LOGS) {
            throw new ChainException(
                ChainException.Kind.REFUSED,
                "the node sent "
                    + r.size()
                    + " logs of blocks "
                    + from
                    + " to "
                    + to.number()
                    + ", more than "
                    + Limits.LOGS);
          }
          List<Log> logs = new ArrayList<>();
          Set<String> places = new HashSet<>();
          long last = from;
          for (JsonNode one : r) {
            Log log = log(one);
            boolean asked =
                log.contract().equals(contract)
                    && log.topics().size() >= (third.isPresent() ? 3 : 2)
                    && kinds.contains(log.topics().get(0))
                    && second.map(log.topics().get(1)::equals).orElse(true)
                    && (third.isEmpty() || third.get().equals(log.topics().get(2)))
                    && log.block() >= last
                    && log.block() <= to.number()
                    && (log.block() != to.number() || log.blockHash().equals(to.hash()))
                    && places.add(log.blockHash() + ":" + log.index());
            if (!asked) {
              throw ChainException.untrusted(
                  "the node sent a log that was not asked for, twice, or out of order");
            }
            last = log.block();
            logs.add(log);
          }
          return logs;
        },
        logs -> logs.stream().map(Chain::fingerprint).toList(),
        filter);
  }

  private static String fingerprint(Log log) {
    return log.blockHash() + ":" + log.index() + ":" + log.topics() + ":" + Hex.of(log.data());
  }

  private static Log log(JsonNode one) throws ChainException {
    if (one.path("removed").asBoolean()) {
      throw ChainException.untrusted("the node sent a log of a block that is none any more");
    }
    List<Hash> topics = new ArrayList<>();
    for (JsonNode topic : one.path("topics")) {
      topics.add(Hex.hash(topic.asText()));
    }
    return new Log(
        Hex.address(one.path("address").asText()),
        List.copyOf(topics),
        Hex.bytes(one.path("data").asText()),
        Hex.small(one.path("blockNumber").asText()),
        Hex.hash(one.path("blockHash").asText()),
        Hex.hash(one.path("transactionHash").asText()),
        Hex.small(one.path("logIndex").asText()));
  }

  // ---- asking -----------------------------------------------------------------------------------

  private static final String BLOCK = "eth_getBlockByNumber";

  private interface Asker<T> {
    T ask(Rpc node) throws ChainException;
  }

  /// Asks one node directly, for what only local chains understand.
  JsonNode raw(String method, JsonNode... parameters) throws ChainException {
    return nodes.getFirst().ask(method, parameters);
  }

  /// The first answer that there is.
  private <T> T first(Asker<T> asker) throws ChainException {
    Optional<ChainException> silent = Optional.empty();
    for (Rpc node : nodes) {
      try {
        return asker.ask(node);
      } catch (ChainException e) {
        if (e.kind() != ChainException.Kind.UNREACHABLE) {
          throw e;
        }
        silent = Optional.of(e);
      }
    }
    throw silent.orElseThrow();
  }

  private <T> T agreed(
      String what, String method, Reader<T> reader, Function<T, Object> key, JsonNode... parameters)
      throws ChainException {
    List<T> all = each(node -> reader.read(node.ask(method, parameters)));
    if (all.stream().map(key).distinct().count() > 1) {
      throw contradiction(what);
    }
    return all.getFirst();
  }

  private <T> T agreed(String what, Asker<T> asker) throws ChainException {
    List<T> all = each(asker);
    if (all.stream().distinct().count() > 1) {
      throw contradiction(what);
    }
    return all.getFirst();
  }

  private ChainException contradiction(String what) {
    return ChainException.untrusted(
        "the nodes "
            + String.join(", ", nodeNames())
            + " contradict each other about "
            + what
            + ": nothing of it counts until they agree");
  }

  /// What each node answers. Those that are silent are left out if more than half are not.
  private <T> List<T> each(Asker<T> asker) throws ChainException {
    if (nodes.size() == 1) {
      return List.of(asker.ask(nodes.getFirst()));
    }
    List<T> all = new ArrayList<>();
    Optional<ChainException> silent = Optional.empty();
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<T>> coming = new ArrayList<>();
      for (Rpc node : nodes) {
        Callable<T> task = () -> asker.ask(node);
        coming.add(threads.submit(task));
      }
      for (Future<T> one : coming) {
        try {
          all.add(one.get());
        } catch (ExecutionException e) {
          if (!(e.getCause() instanceof ChainException failure)) {
            throw new IllegalStateException("asking a node failed by itself", e.getCause());
          }
          if (failure.kind() != ChainException.Kind.UNREACHABLE) {
            throw failure;
          }
          silent = Optional.of(failure);
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
          throw new ChainException(
              ChainException.Kind.UNREACHABLE,
              "the nodes were not heard: this program is stopping");
        }
      }
    }
    if (all.size() <= nodes.size() / 2) {
      throw silent.orElseThrow();
    }
    return all;
  }

  private static JsonNode result(Rpc node, String method, Rpc.Answer answer) throws ChainException {
    if (answer instanceof Rpc.Answer.Fault fault && reverted(fault)) {
      throw new ChainException(Revert.of(revertData(fault)));
    }
    return node.result(method, answer);
  }

  private static boolean reverted(Rpc.Answer.Fault fault) {
    return fault.code() == 3 || fault.message().toLowerCase(Locale.ROOT).contains("revert");
  }

  private static boolean burned(Rpc.Answer.Fault fault) {
    String why = fault.message().toLowerCase(Locale.ROOT);
    return List.of("gas", "opcode", "invalid jump", "stack", "evm error").stream()
        .anyMatch(why::contains);
  }

  /// Nodes put it in different places.
  private static byte[] revertData(Rpc.Answer.Fault fault) {
    JsonNode data = fault.data().isObject() ? fault.data().path("data") : fault.data();
    String text = data.asText();
    int at = text.indexOf("0x");
    try {
      return at < 0 ? new byte[0] : Hex.bytes(text.substring(at));
    } catch (ChainException e) {
      return new byte[0];
    }
  }

  private static ObjectNode json(Optional<Address> from, Call call) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    from.ifPresent(address -> json.put("from", address.toString()));
    call.to().ifPresent(to -> json.put("to", to.toString()));
    if (call.valueWei().signum() > 0) {
      json.put("value", Hex.of(call.valueWei()));
    }
    json.put("data", Hex.of(call.data()));
    return json;
  }

  private static JsonNode text(String value) {
    return JsonNodeFactory.instance.textNode(value);
  }

  private static JsonNode bool(boolean value) {
    return JsonNodeFactory.instance.booleanNode(value);
  }

  @Override
  public void close() {
    nodes.forEach(Rpc::close);
  }
}
