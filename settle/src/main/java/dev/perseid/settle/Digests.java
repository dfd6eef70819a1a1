package dev.perseid.settle;

import static dev.perseid.settle.TypedData.digest;
import static dev.perseid.settle.TypedData.type;

import dev.perseid.core.Address;
import dev.perseid.core.Capability;
import dev.perseid.core.DataPolicy;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Gpus;
import dev.perseid.core.Hash;
import dev.perseid.core.Inference;
import dev.perseid.core.Model;
import dev.perseid.core.ModelOffer;
import dev.perseid.core.ModelTask;
import dev.perseid.core.Offer;
import dev.perseid.core.Outcome;
import dev.perseid.core.Usage;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;

/// The EIP-712 digests of all that is signed in Perseid. The types are described in
/// `docs/receipts.md`; once released they never change. Pure; safe for any thread.
public final class Digests {
  static final String OFFER =
      "Offer(address provider,string name,string machine,string region,uint32 cores,"
          + "uint64 memoryBytes,uint64 perBillionGas,uint64 perGbSecond,uint64 perGb,"
          + "uint64 cpuOpsPerS,uint64 memoryBytesPerS,uint64 gasPerS,uint64 madeUs,"
          + "uint256 present)";

  static final String GPU_OFFER =
      "GpuOffer(Offer offer,uint32 gpus,uint64 gpuMemoryBytes,uint64 perGpuSecond)" + OFFER;

  static final String RECORD =
      "ExecutionRecord(address pool,bytes16 job,uint32 task,string taskName,string kind,"
          + "uint32 attempt,uint64 lease,address consumer,address provider,bytes32 offer,"
          + "bytes32 module,bytes32 argsHash,bytes32[] inputs,uint64[] inputSizes,"
          + "uint32[] dependsOn,uint64 gasLimit,uint64 memoryBytes,uint32 cores,"
          + "uint64 submittedUs,uint64 readyUs,uint64 assignedUs,uint64 startedUs,uint64 endedUs,"
          + "uint8 outcome,string reason,uint64 gas,uint64 cpuNs,uint64 wallNs,"
          + "uint64 peakMemoryBytes,uint64 bytesIn,uint64 bytesOut,uint64 fetchedBytes,"
          + "uint64 gpuNs,uint64 energyUj,string energyBy,bytes32[] outputs,"
          + "uint64[] outputSizes,string engine,string isolation,uint64 charge,uint256 present)";

  static final String GPU_RECORD =
      "GpuRecord(ExecutionRecord execution,uint32 gpus,uint64 gpuMemoryBytes)" + RECORD;

  static final String INFERENCE =
      "InferenceRecord(ExecutionRecord execution,string api,string quantisation,"
          + "uint64 promptTokens,uint64 cachedTokens,uint64 completionTokens,uint64 rows,"
          + "uint64 firstTokenUs,address author,uint64 toAuthor,uint64 toPool,uint256 present)"
          + RECORD;

  static final String MODEL =
      "Model(address author,string name,string version,bytes32 manifest,string task,"
          + "string format,string quantisation,uint64 parameters,uint32 contextTokens,"
          + "string licence,uint32 royaltyPermille,uint64 madeUs)";

  static final String MODEL_OFFER =
      "ModelOffer(address provider,bytes32 model,string region,string quantisation,"
          + "string backend,uint64 perMillionPrompt,uint64 perMillionCached,"
          + "uint64 perMillionCompletion,uint64 perMillionRows,uint64 perMillionRequests,"
          + "uint32 royaltyPermille,uint32 poolPermille,uint32 parallel,uint32 contextTokens,"
          + "string policy,bytes32 sealKey,string endpoint,uint64 madeUs,uint256 present)";

  static final String BATCH = "RecordBatch(address pool,bytes32 root,uint64 count)";
  static final String TREE_HEAD = "TreeHead(address pool,bytes32 root,uint64 size,uint64 timeUs)";
  static final String ORDER =
      "JobOrder(address pool,address consumer,uint64 nonce,uint64 budget,bytes32 spec)";
  static final String LOGIN = "Login(address pool,address caller,string role,bytes32 nonce)";
  static final String REQUEST =
      "SignedRequest(address pool,address caller,string role,string method,string target,"
          + "bytes32 body,uint64 timeMs,bytes32 nonce)";
  static final String CERTIFICATE = "NodeCertificate(address node,bytes32 publicKey)";

  static final String OPERATED = "Operated(address operator,address provider)";

  static final String VOUCHER = "Voucher(address consumer,address pool,uint96 cumulative)";
  static final String KEY_CONSENT = "KeyConsent(address identity,address key,uint64 deadline)";
  private static final String AUTHORIZATION =
      "(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,"
          + "bytes32 nonce)";
  static final String RECEIVE = "ReceiveWithAuthorization" + AUTHORIZATION;
  static final String TRANSFER = "TransferWithAuthorization" + AUTHORIZATION;

  private static final Hash OFFER_TYPE = type(OFFER);
  private static final Hash GPU_OFFER_TYPE = type(GPU_OFFER);
  private static final Hash RECORD_TYPE = type(RECORD);
  private static final Hash GPU_RECORD_TYPE = type(GPU_RECORD);
  private static final Hash INFERENCE_TYPE = type(INFERENCE);
  private static final Hash MODEL_TYPE = type(MODEL);
  private static final Hash MODEL_OFFER_TYPE = type(MODEL_OFFER);
  private static final Hash BATCH_TYPE = type(BATCH);
  private static final Hash TREE_HEAD_TYPE = type(TREE_HEAD);
  private static final Hash ORDER_TYPE = type(ORDER);
  private static final Hash LOGIN_TYPE = type(LOGIN);
  private static final Hash REQUEST_TYPE = type(REQUEST);
  private static final Hash CERTIFICATE_TYPE = type(CERTIFICATE);
  private static final Hash OPERATED_TYPE = type(OPERATED);
  private static final Hash VOUCHER_TYPE = type(VOUCHER);
  private static final Hash KEY_CONSENT_TYPE = type(KEY_CONSENT);
  private static final Hash RECEIVE_TYPE = type(RECEIVE);
  private static final Hash TRANSFER_TYPE = type(TRANSFER);

  private Digests() {}

  /// What a provider signs to make an offer, and the offer's name in every record made under it.
  ///
  /// One with GPUs is of the type `GpuOffer`, in which the `Offer` is a member.
  public static Hash offer(Offer o) {
    Words cores = coreOffer(o);
    return digest(
        o.gpus().any()
            ? new Words(5)
                .hash(GPU_OFFER_TYPE)
                .struct(cores)
                .uint32(o.gpus().count())
                .uint64(o.gpus().memoryBytes())
                .uint64(o.price().perGpuSecond())
                .keccak()
            : cores.keccak());
  }

  private static Words coreOffer(Offer o) {
    Capability c = o.capability();
    return new Words(15)
        .hash(OFFER_TYPE)
        .address(o.provider())
        .string(o.name())
        .string(o.machine())
        .string(o.region())
        .uint32(o.cores())
        .uint64(o.memoryBytes())
        .uint64(o.price().perBillionGas())
        .uint64(o.price().perGbSecond())
        .uint64(o.price().perGb())
        .uint64(c.cpuOpsPerS().orElse(0))
        .uint64(c.memoryBytesPerS().orElse(0))
        .uint64(c.gasPerS().orElse(0))
        .uint64(o.madeUs())
        .uint64(bit(0, c.cpuOpsPerS()) | bit(1, c.memoryBytesPerS()) | bit(2, c.gasPerS()));
  }

  /// The digest of a record: a leaf of the batch that its provider signs. Some 10 µs.
  ///
  /// The record of a request to a model is of the type `InferenceRecord`, that of a task with GPUs
  /// of the type `GpuRecord`; in both the `ExecutionRecord` is a member.
  public static Hash record(ExecutionRecord r) {
    return records(List.of(r)).getFirst();
  }

  /// The `encodeData` of a task's record: the type's hash and 41 words, of which the contract
  /// `Dispute` reads what was signed.
  ///
  /// @throws IllegalArgumentException for a request to a model and for a task with GPUs, which
  ///   nobody can dispute
  public static byte[] encodeData(ExecutionRecord r) {
    if (r.inference().isPresent()) {
      throw new IllegalArgumentException("this is the record of a request to a model");
    }
    if (r.gpus().any()) {
      throw new IllegalArgumentException("this is the record of a task with GPUs");
    }
    KeccakBatch batch = new KeccakBatch();
    Words words = execution(r, batch);
    batch.run();
    return words.whole();
  }

  /// The digests of records, in their order. Where the JVM has the module `jdk.incubator.vector`
  /// and the CPU has lanes, a record of many costs a few hundred nanoseconds only.
  public static List<Hash> records(List<ExecutionRecord> records) {
    KeccakBatch batch = new KeccakBatch();
    int n = records.size();
    List<Words> structs = new ArrayList<>(n);
    for (ExecutionRecord r : records) {
      structs.add(execution(r, batch));
    }
    batch.run();
    for (int i = 0; i < n; i++) {
      Words execution = structs.get(i);
      ExecutionRecord r = records.get(i);
      Words withGpus = r.gpus().any() ? gpus(execution, r.gpus(), batch) : execution;
      structs.set(i, r.inference().map(part -> inference(execution, part, batch)).orElse(withGpus));
    }
    batch.run();
    List<byte[]> messages = new ArrayList<>(n);
    for (Words struct : structs) {
      byte[] message = TypedData.message();
      batch.add(struct.whole(), message, TypedData.STRUCT_AT);
      messages.add(message);
    }
    batch.run();
    byte[] digests = new byte[32 * n];
    for (int i = 0; i < n; i++) {
      batch.add(messages.get(i), digests, 32 * i);
    }
    batch.run();
    List<Hash> out = new ArrayList<>(n);
    for (int i = 0; i < n; i++) {
      out.add(Hash.of(digests, 32 * i));
    }
    return out;
  }

  private static Words gpus(Words execution, Gpus gpus, KeccakBatch batch) {
    return new Words(4, batch)
        .hash(GPU_RECORD_TYPE)
        .struct(execution)
        .uint32(gpus.count())
        .uint64(gpus.memoryBytes());
  }

  private static Words inference(Words execution, Inference i, KeccakBatch batch) {
    return new Words(13, batch)
        .hash(INFERENCE_TYPE)
        .struct(execution)
        .knownString(i.api())
        .knownString(i.quantisation())
        .uint64(i.promptTokens())
        .uint64(i.cachedTokens())
        .uint64(i.completionTokens())
        .uint64(i.rows())
        .uint64(i.firstTokenUs().orElse(0))
        .address(i.author())
        .uint64(i.toAuthor())
        .uint64(i.toPool())
        .uint64(bit(0, i.firstTokenUs()));
  }

  /// What an author signs to publish a version of a model.
  public static Hash model(Model m) {
    return digest(
        new Words(13)
            .hash(MODEL_TYPE)
            .address(m.author())
            .string(m.name())
            .string(m.version())
            .hash(m.manifest())
            .string(word(m.task()))
            .string(m.format())
            .string(m.quantisation())
            .uint64(m.parameters())
            .uint32(m.contextTokens())
            .string(m.licence())
            .uint32(m.royaltyPermille())
            .uint64(m.madeUs())
            .keccak());
  }

  /// What a provider signs to serve a model, and the offer's name in every record made under it.
  public static Hash modelOffer(ModelOffer o) {
    return digest(
        new Words(20)
            .hash(MODEL_OFFER_TYPE)
            .address(o.provider())
            .hash(o.model())
            .string(o.region())
            .string(o.quantisation())
            .string(o.backend())
            .uint64(o.price().perMillionPrompt())
            .uint64(o.price().perMillionCached())
            .uint64(o.price().perMillionCompletion())
            .uint64(o.price().perMillionRows())
            .uint64(o.price().perMillionRequests())
            .uint32(o.royaltyPermille())
            .uint32(o.poolPermille())
            .uint32(o.parallel())
            .uint32(o.contextTokens())
            .string(word(o.policy()))
            .hash(o.sealKey().orElse(Hash.ZERO))
            .string(o.endpoint())
            .uint64(o.madeUs())
            .uint64(o.sealKey().isPresent() ? 1 : 0)
            .keccak());
  }

  /// A task's word in a model's digest: for ever, whatever the enum's names.
  static String word(ModelTask task) {
    return switch (task) {
      case CHAT -> "chat";
      case EMBED -> "embed";
      case PREDICT -> "predict";
    };
  }

  /// A policy's word in an offer's digest: for ever.
  public static String word(DataPolicy policy) {
    return switch (policy) {
      case KEEPS_NOTHING -> "keeps-nothing";
      case KEEPS -> "keeps";
      case COLLECTS -> "collects";
    };
  }

  private static Words execution(ExecutionRecord r, KeccakBatch batch) {
    Usage u = r.usage();
    long present =
        bit(0, r.startedUs())
            | bit(1, r.endedUs())
            | bit(2, u.gas())
            | bit(3, u.cpuNs())
            | bit(4, u.wallNs())
            | bit(5, u.peakMemoryBytes())
            | bit(6, u.bytesIn())
            | bit(7, u.bytesOut())
            | bit(8, u.fetchedBytes())
            | bit(9, u.gpuNs())
            | bit(10, u.energyUj());
    return new Words(42, batch)
        .hash(RECORD_TYPE)
        .address(r.pool())
        .job(r.job())
        .uint32(r.task())
        .string(r.taskName())
        .knownString(r.kind())
        .uint32(r.attempt())
        .uint64(r.lease())
        .address(r.consumer())
        .address(r.provider())
        .hash(r.offer())
        .hash(r.module())
        .hash(r.argsHash())
        .blobs(r.inputs())
        .uint32s(r.dependsOn())
        .uint64(r.gasLimit())
        .uint64(r.memoryBytes())
        .uint32(r.cores())
        .uint64(r.submittedUs())
        .uint64(r.readyUs())
        .uint64(r.assignedUs())
        .uint64(r.startedUs().orElse(0))
        .uint64(r.endedUs().orElse(0))
        .uint32(number(r.outcome()))
        .knownString(r.reason())
        .uint64(u.gas().orElse(0))
        .uint64(u.cpuNs().orElse(0))
        .uint64(u.wallNs().orElse(0))
        .uint64(u.peakMemoryBytes().orElse(0))
        .uint64(u.bytesIn().orElse(0))
        .uint64(u.bytesOut().orElse(0))
        .uint64(u.fetchedBytes().orElse(0))
        .uint64(u.gpuNs().orElse(0))
        .uint64(u.energyUj().orElse(0))
        .knownString(u.energyBy())
        .blobs(r.outputs())
        .knownString(r.engine())
        .knownString(r.isolation())
        .uint64(r.charge())
        .uint64(present);
  }

  /// What a provider signs for a batch of records.
  ///
  /// @param root RFC 6962 root over the records' digests
  /// @param count how many there are
  public static Hash batch(Address pool, Hash root, long count) {
    return digest(new Words(4).hash(BATCH_TYPE).address(pool).hash(root).uint64(count).keccak());
  }

  /// What a pool signs for the state of its log: the countersignature of every record in it.
  ///
  /// @param root RFC 6962 root over the canonical bytes of the entries
  /// @param size how many entries
  /// @param timeUs when, microseconds since the epoch
  public static Hash treeHead(Address pool, Hash root, long size, long timeUs) {
    return digest(
        new Words(5)
            .hash(TREE_HEAD_TYPE)
            .address(pool)
            .hash(root)
            .uint64(size)
            .uint64(timeUs)
            .keccak());
  }

  /// What a consumer signs to order a job.
  ///
  /// @param budget microcredits
  /// @param specHash SHA-256 of the job's canonical bytes
  public static Hash order(Address pool, Address consumer, long nonce, long budget, Hash specHash) {
    return digest(
        new Words(6)
            .hash(ORDER_TYPE)
            .address(pool)
            .address(consumer)
            .uint64(nonce)
            .uint64(budget)
            .hash(specHash)
            .keccak());
  }

  /// What a caller signs to prove its key to a pool.
  ///
  /// @param role as what it comes, e.g. `provider` or `consumer`
  /// @param nonce32 32 random bytes that the pool chose for this login
  public static Hash login(Address pool, Address caller, String role, Hash nonce32) {
    return digest(
        new Words(5)
            .hash(LOGIN_TYPE)
            .address(pool)
            .address(caller)
            .knownString(role)
            .hash(nonce32)
            .keccak());
  }

  /// What a program signs to make one request without a session.
  static Hash request(Address pool, SignedRequest r, String method, String target) {
    return digest(
        new Words(9)
            .hash(REQUEST_TYPE)
            .address(pool)
            .address(r.caller())
            .knownString(r.role())
            .knownString(method)
            .string(target)
            .hash(r.body())
            .uint64(r.timeMs())
            .hash(r.nonce())
            .keccak());
  }

  /// What a node signs to bind a TLS certificate to its key.
  ///
  /// @param publicKey SHA-256 of the certificate's SubjectPublicKeyInfo
  static Hash certificate(Address node, Hash publicKey) {
    return digest(new Words(3).hash(CERTIFICATE_TYPE).address(node).hash(publicKey).keccak());
  }

  /// What an operator signs to say that a provider is its own.
  public static Hash operated(Address operator, Address provider) {
    return digest(new Words(3).hash(OPERATED_TYPE).address(operator).address(provider).keccak());
  }

  /// What a consumer signs to owe a pool more: "all that I owe this pool so far"
  /// (docs/contracts.md).
  ///
  /// @param chainId of the chain on which the contract is; 0 for a pool whose ledger is its log
  /// @param contract the `Escrow`; the pool's key if its ledger is its log
  /// @param pool the pool's identity; the pool's key if its ledger is its log
  /// @param cumulative units of the token, that is, microcredits
  /// @throws IllegalArgumentException if chain or amount is negative
  public static Hash voucher(
      long chainId, Address contract, Address consumer, Address pool, long cumulative) {
    return digest(
        TypedData.domain("Perseid", "1", unsigned(chainId), contract),
        new Words(4)
            .hash(VOUCHER_TYPE)
            .address(consumer)
            .address(pool)
            .uint64(unsigned(cumulative))
            .keccak());
  }

  /// What a key signs to act for an identity of the `Registry`.
  ///
  /// @param deadlineS until when, seconds since the epoch
  public static Hash keyConsent(
      long chainId, Address registry, Address identity, Address key, long deadlineS) {
    return digest(
        TypedData.domain("Perseid Registry", "1", unsigned(chainId), registry),
        new Words(4)
            .hash(KEY_CONSENT_TYPE)
            .address(identity)
            .address(key)
            .uint64(unsigned(deadlineS))
            .keccak());
  }

  /// The domain separator of a token (EIP-712), from what its `eip712Domain`, its documentation or
  /// an x402 offer says of it.
  public static Hash tokenDomain(String name, String version, long chainId, Address token) {
    return TypedData.domain(name, version, unsigned(chainId), token);
  }

  /// What a holder of a token signs so that the receiver alone can take an amount (EIP-3009).
  ///
  /// @param tokenDomain the token's domain separator
  public static Hash receiveWithAuthorization(Hash tokenDomain, TokenAuthorization a) {
    return authorization(tokenDomain, RECEIVE_TYPE, a);
  }

  /// What a holder of a token signs so that anybody can bring an amount to the receiver (EIP-3009).
  ///
  /// @param tokenDomain the token's domain separator
  public static Hash transferWithAuthorization(Hash tokenDomain, TokenAuthorization a) {
    return authorization(tokenDomain, TRANSFER_TYPE, a);
  }

  private static Hash authorization(Hash tokenDomain, Hash type, TokenAuthorization a) {
    return digest(
        tokenDomain,
        new Words(7)
            .hash(type)
            .address(a.from())
            .address(a.to())
            .uint64(a.value())
            .uint64(a.validAfterS())
            .uint64(a.validBeforeS())
            .hash(a.nonce())
            .keccak());
  }

  private static long unsigned(long value) {
    if (value < 0) {
      throw new IllegalArgumentException("must not be negative: " + value);
    }
    return value;
  }

  /// The number of an outcome in a record's digest: for ever, whatever the enum's order.
  static int number(Outcome outcome) {
    return switch (outcome) {
      case DONE -> 0;
      case TASK_FAILED -> 1;
      case PROVIDER_FAILED -> 2;
      case LOST -> 3;
      case CANCELLED -> 4;
      case REFUSED -> 5;
    };
  }

  private static long bit(int number, OptionalLong measure) {
    return measure.isPresent() ? 1L << number : 0;
  }
}
