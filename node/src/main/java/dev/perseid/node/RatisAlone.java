package dev.perseid.node;

import java.io.IOException;
import java.net.InetSocketAddress;
import org.apache.ratis.conf.Parameters;
import org.apache.ratis.proto.RaftProtos.AppendEntriesReplyProto;
import org.apache.ratis.proto.RaftProtos.AppendEntriesRequestProto;
import org.apache.ratis.proto.RaftProtos.InstallSnapshotReplyProto;
import org.apache.ratis.proto.RaftProtos.InstallSnapshotRequestProto;
import org.apache.ratis.proto.RaftProtos.RequestVoteReplyProto;
import org.apache.ratis.proto.RaftProtos.RequestVoteRequestProto;
import org.apache.ratis.proto.RaftProtos.StartLeaderElectionReplyProto;
import org.apache.ratis.proto.RaftProtos.StartLeaderElectionRequestProto;
import org.apache.ratis.protocol.RaftPeer;
import org.apache.ratis.protocol.RaftPeerId;
import org.apache.ratis.rpc.RpcType;
import org.apache.ratis.server.RaftServer;
import org.apache.ratis.server.RaftServerRpc;
import org.apache.ratis.server.ServerFactory;

/// The transport of a group of one member: there is nobody to talk to, so no port is opened. Ratis'
/// own transports listen without asking who calls, and whoever can write to the log can grant
/// himself credits.
final class RatisAlone implements RpcType, ServerFactory {
  /// Made by Ratis, from the class's name in the properties.
  RatisAlone() {}

  @Override
  public String name() {
    return "ALONE";
  }

  @Override
  public ServerFactory newFactory(Parameters parameters) {
    return this;
  }

  @Override
  public RpcType getRpcType() {
    return this;
  }

  @Override
  public RaftServerRpc newRaftServerRpc(RaftServer server) {
    return new Silence(this);
  }

  private record Silence(RatisAlone type) implements RaftServerRpc {
    @Override
    public void start() {}

    @Override
    public InetSocketAddress getInetSocketAddress() {
      return InetSocketAddress.createUnresolved("localhost", 0);
    }

    @Override
    public void handleException(RaftPeerId serverId, Exception e, boolean reconnect) {}

    @Override
    public RequestVoteReplyProto requestVote(RequestVoteRequestProto request) throws IOException {
      throw nobody();
    }

    @Override
    public AppendEntriesReplyProto appendEntries(AppendEntriesRequestProto request)
        throws IOException {
      throw nobody();
    }

    @Override
    public InstallSnapshotReplyProto installSnapshot(InstallSnapshotRequestProto request)
        throws IOException {
      throw nobody();
    }

    @Override
    public StartLeaderElectionReplyProto startLeaderElection(
        StartLeaderElectionRequestProto request) throws IOException {
      throw nobody();
    }

    private static IOException nobody() {
      return new IOException("this group has one member: there is nobody to ask");
    }

    @Override
    public RpcType getRpcType() {
      return type;
    }

    @Override
    public void addRaftPeers(java.util.Collection<RaftPeer> peers) {}

    @Override
    public void addRaftPeers(RaftPeer... peers) {}

    @Override
    public void close() {}
  }
}
