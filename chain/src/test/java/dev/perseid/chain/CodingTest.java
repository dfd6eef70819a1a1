package dev.perseid.chain;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import dev.perseid.settle.KeyFile;
import dev.perseid.settle.TokenAuthorization;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.web3j.abi.FunctionEncoder;
import org.web3j.abi.datatypes.Bool;
import org.web3j.abi.datatypes.DynamicArray;
import org.web3j.abi.datatypes.DynamicBytes;
import org.web3j.abi.datatypes.DynamicStruct;
import org.web3j.abi.datatypes.Function;
import org.web3j.abi.datatypes.StaticStruct;
import org.web3j.abi.datatypes.Type;
import org.web3j.abi.datatypes.Utf8String;
import org.web3j.abi.datatypes.generated.Bytes32;
import org.web3j.abi.datatypes.generated.Uint256;
import org.web3j.abi.datatypes.generated.Uint64;
import org.web3j.crypto.ContractUtils;
import org.web3j.crypto.Credentials;
import org.web3j.crypto.RawTransaction;
import org.web3j.crypto.StructuredDataEncoder;
import org.web3j.crypto.TransactionEncoder;
import org.web3j.crypto.Wallet;
import org.web3j.crypto.WalletFile;
import org.web3j.rlp.RlpEncoder;
import org.web3j.rlp.RlpList;
import org.web3j.rlp.RlpString;
import org.web3j.rlp.RlpType;

/// All that is coded and signed for a chain, held against web3j over random cases.
class CodingTest {
  private static final int CASES = 400;

  private long seed;
  private Random random = new Random(0);

  @BeforeEach
  void draw() {
    seed = 1_001;
    random = new Random(seed);
    System.out.println("CodingTest seed " + seed);
  }

  private byte[] bytes(int most) {
    byte[] bytes = new byte[random.nextInt(most + 1)];
    random.nextBytes(bytes);
    return bytes;
  }

  private BigInteger number(int bits) {
    return new BigInteger(random.nextInt(bits + 1), random);
  }

  private Address address() {
    byte[] bytes = new byte[20];
    random.nextBytes(bytes);
    return Address.of(bytes);
  }

  private Hash hash() {
    return new Hash(random.nextLong(), random.nextLong(), random.nextLong(), random.nextLong());
  }

  private Key key() {
    byte[] secret = new byte[32];
    random.nextBytes(secret);
    secret[0] &= 0x7f;
    secret[31] |= 1;
    return Key.of(secret);
  }

  private static String secret(Key key) throws IOException {
    // Only a keystore lets a secret out; web3j opens ours, which is a test of both.
    String keystore = KeyFile.encrypt(key, "p", KeyFile.Strength.LIGHT);
    try {
      WalletFile file = new ObjectMapper().readValue(keystore, WalletFile.class);
      return Wallet.decrypt("p", file).getPrivateKey().toString(16);
    } catch (org.web3j.crypto.exception.CipherException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void rlpIsThatOfWeb3j() {
    for (int i = 0; i < CASES; i++) {
      List<Rlp> ours = new ArrayList<>();
      List<RlpType> theirs = new ArrayList<>();
      grow(ours, theirs, 3);
      assertThat(new Rlp.Items(ours).encode())
          .as("seed %d case %d", seed, i)
          .isEqualTo(RlpEncoder.encode(new RlpList(theirs)));
    }
  }

  private void grow(List<Rlp> ours, List<RlpType> theirs, int depth) {
    int n = random.nextInt(6);
    for (int i = 0; i < n; i++) {
      int kind = random.nextInt(depth == 0 ? 2 : 3);
      if (kind == 0) {
        byte[] value = bytes(random.nextInt(8) == 0 ? 70_000 : 80);
        ours.add(Rlp.of(value));
        theirs.add(RlpString.create(value));
      } else if (kind == 1) {
        BigInteger value = number(256);
        ours.add(Rlp.of(value));
        theirs.add(RlpString.create(value));
      } else {
        List<Rlp> mine = new ArrayList<>();
        List<RlpType> his = new ArrayList<>();
        grow(mine, his, depth - 1);
        ours.add(new Rlp.Items(mine));
        theirs.add(new RlpList(his));
      }
    }
  }

  @Test
  @SuppressWarnings("rawtypes") // as web3j wants it
  void argumentsOfContractsAreThoseOfWeb3j() throws ChainException {
    for (int i = 0; i < CASES; i++) {
      BigInteger uint = number(256);
      long small = random.nextLong() & Long.MAX_VALUE;
      Address who = address();
      boolean yes = random.nextBoolean();
      Hash word = hash();
      byte[] blob = bytes(200);
      String text = "Ü" + random.nextInt() + "x".repeat(random.nextInt(70));
      List<Hash> words = new ArrayList<>();
      List<Bytes32> theirWords = new ArrayList<>();
      for (int k = random.nextInt(5); k > 0; k--) {
        Hash one = hash();
        words.add(one);
        theirWords.add(new Bytes32(one.bytes()));
      }
      List<Abi> vouchers = new ArrayList<>();
      List<DynamicStruct> theirVouchers = new ArrayList<>();
      for (int k = random.nextInt(4); k > 0; k--) {
        Address a = address();
        byte[] s = bytes(100);
        vouchers.add(Abi.tuple(Abi.address(a), Abi.uint(small), Abi.bytes(s)));
        theirVouchers.add(
            new DynamicStruct(his(a), new Uint256(BigInteger.valueOf(small)), new DynamicBytes(s)));
      }
      byte[] ours =
          Abi.encode(
              List.of(
                  Abi.uint(uint),
                  Abi.address(who),
                  Abi.bytes(blob),
                  Abi.array(vouchers),
                  Abi.tuple(Abi.word(word), Abi.address(who), Abi.uint(small)),
                  Abi.bool(yes),
                  Abi.string(text),
                  Abi.words(words)));
      List<Type> theirs =
          List.of(
              new Uint256(uint),
              his(who),
              new DynamicBytes(blob),
              new DynamicArray<>(DynamicStruct.class, theirVouchers),
              new StaticStruct(
                  new Bytes32(word.bytes()), his(who), new Uint64(BigInteger.valueOf(small))),
              new Bool(yes),
              new Utf8String(text),
              new DynamicArray<>(Bytes32.class, theirWords));
      assertThat(HexFormat.of().formatHex(ours))
          .as("seed %d case %d", seed, i)
          .isEqualTo(FunctionEncoder.encodeConstructor(theirs));

      AbiReader back = new AbiReader(ours);
      assertThat(back.uint(0)).isEqualTo(uint);
      assertThat(back.address(1)).isEqualTo(who);
      assertThat(back.bytes(2)).isEqualTo(blob);
      assertThat(back.word(4)).isEqualTo(word); // a struct of known length stands in place
      assertThat(back.small(6)).isEqualTo(small);
      assertThat(back.bool(7)).isEqualTo(yes);
      assertThat(back.string(8)).isEqualTo(text);
      assertThat(back.words(9)).isEqualTo(words);
    }
  }

  private static org.web3j.abi.datatypes.Address his(Address a) {
    return new org.web3j.abi.datatypes.Address(a.toString());
  }

  @Test
  void aCallIsThatOfWeb3j() {
    Address to = address();
    Function theirs =
        new Function("transfer", List.of(his(to), new Uint256(BigInteger.valueOf(77))), List.of());
    assertThat(Hex.of(Abi.call("transfer(address,uint256)", Abi.address(to), Abi.uint(77))))
        .isEqualTo(FunctionEncoder.encode(theirs));
  }

  @Test
  void answersThatAreCutOrWrongAreRefused() {
    byte[] coded = Abi.encode(List.of(Abi.bytes(new byte[40]), Abi.words(List.of(hash()))));
    for (int i = 0; i < CASES; i++) {
      byte[] cut = Arrays.copyOf(coded, random.nextInt(coded.length));
      byte[] bent = coded.clone();
      bent[random.nextInt(64)] = (byte) 0xff; // somewhere in the pointers
      for (byte[] bad : List.of(cut, bent)) {
        AbiReader reader = new AbiReader(bad);
        assertThatThrownBy(
                () -> {
                  reader.bytes(0);
                  reader.words(1);
                })
            .as("seed %d case %d: %s", seed, i, Hex.of(bad))
            .isInstanceOfSatisfying(
                ChainException.class,
                e -> assertThat(e.kind()).isEqualTo(ChainException.Kind.UNTRUSTED));
      }
    }
  }

  @Test
  void transactionsAreThoseOfWeb3j() throws IOException {
    for (int i = 0; i < 60; i++) {
      Key key = key();
      Credentials theirs = Credentials.create(secret(key));
      assertThat(theirs.getAddress()).isEqualTo(key.address().toString());
      long chainId = 1 + random.nextInt(random.nextBoolean() ? 10 : 2_000_000_000);
      long nonce = random.nextInt(3) == 0 ? 0 : random.nextInt(1 << 20);
      long gas = 21_000 + random.nextInt(16_000_000);
      BigInteger value = number(100);
      byte[] data = bytes(300);
      Optional<Address> to = random.nextInt(4) == 0 ? Optional.empty() : Optional.of(address());
      Call call = new Call("any", to, value, data);
      String hisTo = to.map(Address::toString).orElse("");
      BigInteger most = number(60);
      BigInteger tip = most.min(number(50));

      Transaction.Signed dynamic =
          new Transaction(chainId, nonce, gas, new Transaction.Fee.Dynamic(most, tip), call)
              .sign(key);
      byte[] expected =
          TransactionEncoder.signMessage(
              RawTransaction.createTransaction(
                  chainId,
                  BigInteger.valueOf(nonce),
                  BigInteger.valueOf(gas),
                  hisTo,
                  value,
                  HexFormat.of().formatHex(data),
                  tip,
                  most),
              theirs);
      assertThat(Hex.of(dynamic.bytes()))
          .as("seed %d case %d", seed, i)
          .isEqualTo(Hex.of(expected));
      assertThat(dynamic.hash().bytes()).isEqualTo(org.web3j.crypto.Hash.sha3(expected));

      Transaction.Signed flat =
          new Transaction(chainId, nonce, gas, new Transaction.Fee.Flat(most), call).sign(key);
      byte[] legacy =
          TransactionEncoder.signMessage(
              RawTransaction.createTransaction(
                  BigInteger.valueOf(nonce),
                  most,
                  BigInteger.valueOf(gas),
                  hisTo,
                  value,
                  HexFormat.of().formatHex(data)),
              chainId,
              theirs);
      assertThat(Hex.of(flat.bytes())).as("seed %d case %d", seed, i).isEqualTo(Hex.of(legacy));

      assertThat(Transaction.created(key.address(), nonce).bytes())
          .isEqualTo(
              ContractUtils.generateContractAddress(
                  key.address().bytes(), BigInteger.valueOf(nonce)));
    }
  }

  @Test
  void typedDataIsThatOfWeb3j() throws IOException {
    for (int i = 0; i < 60; i++) {
      long chainId = random.nextInt(Integer.MAX_VALUE);
      Address contract = address();
      Address consumer = address();
      Address pool = address();
      long amount = random.nextLong() & Long.MAX_VALUE;
      String domain =
          "\"domain\":{\"name\":\"%s\",\"version\":\"1\",\"chainId\":"
              + chainId
              + ",\"verifyingContract\":\""
              + contract
              + "\"}";
      String domainType =
          "\"EIP712Domain\":[{\"name\":\"name\",\"type\":\"string\"},{\"name\":\"version\",\"type\":\"string\"},"
              + "{\"name\":\"chainId\",\"type\":\"uint256\"},{\"name\":\"verifyingContract\",\"type\":\"address\"}]";
      assertThat(Hex.of(Digests.voucher(chainId, contract, consumer, pool, amount)))
          .as("seed %d case %d", seed, i)
          .isEqualTo(
              theirs(
                  "{\"types\":{"
                      + domainType
                      + ",\"Voucher\":[{\"name\":\"consumer\",\"type\":\"address\"},{\"name\":\"pool\",\"type\":\"address\"},"
                      + "{\"name\":\"cumulative\",\"type\":\"uint96\"}]},\"primaryType\":\"Voucher\","
                      + domain.formatted("Perseid")
                      + ",\"message\":{\"consumer\":\""
                      + consumer
                      + "\",\"pool\":\""
                      + pool
                      + "\",\"cumulative\":\""
                      + amount
                      + "\"}}"));
      assertThat(Hex.of(Digests.keyConsent(chainId, contract, consumer, pool, amount)))
          .as("seed %d case %d", seed, i)
          .isEqualTo(
              theirs(
                  "{\"types\":{"
                      + domainType
                      + ",\"KeyConsent\":[{\"name\":\"identity\",\"type\":\"address\"},{\"name\":\"key\",\"type\":\"address\"},"
                      + "{\"name\":\"deadline\",\"type\":\"uint64\"}]},\"primaryType\":\"KeyConsent\","
                      + domain.formatted("Perseid Registry")
                      + ",\"message\":{\"identity\":\""
                      + consumer
                      + "\",\"key\":\""
                      + pool
                      + "\",\"deadline\":\""
                      + amount
                      + "\"}}"));
      TokenAuthorization a =
          new TokenAuthorization(consumer, pool, amount, amount / 3, amount / 2, hash());
      for (String type : List.of("ReceiveWithAuthorization", "TransferWithAuthorization")) {
        Hash token = Digests.tokenDomain("Test Dollar", "1", chainId, contract);
        Hash ours =
            type.startsWith("R")
                ? Digests.receiveWithAuthorization(token, a)
                : Digests.transferWithAuthorization(token, a);
        assertThat(Hex.of(ours))
            .as("seed %d case %d", seed, i)
            .isEqualTo(
                theirs(
                    "{\"types\":{"
                        + domainType
                        + ",\""
                        + type
                        + "\":[{\"name\":\"from\",\"type\":\"address\"},{\"name\":\"to\",\"type\":\"address\"},"
                        + "{\"name\":\"value\",\"type\":\"uint256\"},{\"name\":\"validAfter\",\"type\":\"uint256\"},"
                        + "{\"name\":\"validBefore\",\"type\":\"uint256\"},{\"name\":\"nonce\",\"type\":\"bytes32\"}]},"
                        + "\"primaryType\":\""
                        + type
                        + "\","
                        + domain.formatted("Test Dollar")
                        + ",\"message\":{\"from\":\""
                        + a.from()
                        + "\",\"to\":\""
                        + a.to()
                        + "\",\"value\":\""
                        + a.value()
                        + "\",\"validAfter\":\""
                        + a.validAfterS()
                        + "\",\"validBefore\":\""
                        + a.validBeforeS()
                        + "\",\"nonce\":\""
                        + Hex.of(a.nonce())
                        + "\"}}"));
      }
    }
  }

  private static String theirs(String document) throws IOException {
    return Hex.of(new StructuredDataEncoder(document).hashStructuredData());
  }

  @Test
  void keystoresOfWeb3jOpen() throws Exception {
    for (int i = 0; i < 5; i++) {
      Key key = key();
      WalletFile file =
          Wallet.createLight(
              "pässword", org.web3j.crypto.ECKeyPair.create(new BigInteger(secret(key), 16)));
      String text = new ObjectMapper().writeValueAsString(file);
      assertThat(KeyFile.decrypt(text, "pässword").address())
          .as("seed %d case %d", seed, i)
          .isEqualTo(key.address());
    }
  }

  /// The example that OpenZeppelin's own documentation of the tree has.
  @Test
  void theTreeOfPayoutsIsOpenZeppelins() {
    PayoutTree tree =
        PayoutTree.of(
            List.of(
                new Due(
                    Address.parse("0x1111111111111111111111111111111111111111"),
                    5_000_000_000_000_000_000L),
                new Due(
                    Address.parse("0x2222222222222222222222222222222222222222"),
                    2_500_000_000_000_000_000L)));
    assertThat(tree.root().hex())
        .isEqualTo("d4dee0beab2d53f2cc83e567171bd2820e49898130a22622b10ead383e90bd77");
  }

  @Test
  void everyPayeeHasAProofAndNobodyElse() {
    for (int n = 0; n < 40; n++) {
      List<Due> dues = new ArrayList<>();
      for (int i = 0; i < n; i++) {
        dues.add(new Due(address(), random.nextLong() & Long.MAX_VALUE));
      }
      PayoutTree tree = PayoutTree.of(dues);
      for (Due due : dues) {
        List<Hash> proof = tree.proof(due.payee()).orElseThrow();
        assertThat(PayoutTree.proves(due, proof, tree.root())).isTrue();
        Due more = new Due(due.payee(), due.cumulative() ^ 1);
        assertThat(PayoutTree.proves(more, proof, tree.root())).isFalse();
      }
      assertThat(tree.proof(Address.ZERO)).isEmpty();
    }
  }

  @Test
  void aCommitmentIsHashedAsTheContractDoes() {
    Commitment c = new Commitment(hash(), address(), 5, hash());
    byte[] all =
        ByteBuffer.allocate(128)
            .put(c.payoutRoot().bytes())
            .put(new byte[12])
            .put(c.log().bytes())
            .putLong(88, 5)
            .position(96)
            .put(c.recordsRoot().bytes())
            .array();
    assertThat(c.hash().bytes()).isEqualTo(org.web3j.crypto.Hash.sha3(all));
  }
}
