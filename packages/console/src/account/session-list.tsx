import { createConnectQueryKey, useInfiniteQuery, useMutation } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { IdentityService, type Session } from "@tercet/gen/identity/v1/identity";
import { signOut } from "../session/session.ts";
import { Confirm } from "../ui/confirm.tsx";
import { shortId } from "../ui/format.ts";
import { More } from "../ui/list.tsx";
import { Panel } from "../ui/page.tsx";
import { ErrorPanel, Skeleton } from "../ui/states.tsx";
import { notifyDone } from "../ui/toasts.tsx";
import { Ago } from "../ui/values.tsx";

const PAGE_SIZE = 20;
const REFRESH_MS = 10_000;

/** Where the user is signed in. Each session can be ended, and all of them at once. */
export function SessionList() {
  const list = useInfiniteQuery(
    IdentityService.method.listSessions,
    { pageSize: PAGE_SIZE, pageToken: "" },
    {
      pageParamKey: "pageToken",
      getNextPageParam: ({ nextPageToken }) => nextPageToken || undefined,
      refetchInterval: REFRESH_MS,
    },
  );
  const revokeAll = useMutation(IdentityService.method.revokeAllSessions);
  const sessions = list.data?.pages.flatMap((page) => page.sessions) ?? [];
  return (
    <>
      <Panel
        flush
        title="Sessions"
        aside={
          <Confirm
            trigger="Sign out everywhere"
            look="danger"
            title="Sign out everywhere"
            effect="Every session ends within 5 seconds, the one in this browser too."
            action="Sign out everywhere"
            reason="none"
            onConfirm={async () => {
              await revokeAll.mutateAsync({});
              await signOut();
            }}
          />
        }
      >
        {list.isPending && <Skeleton lines={3} label="Loading the sessions" />}
        {list.isError && sessions.length === 0 && (
          <ErrorPanel error={list.error} onRetry={() => void list.refetch()} />
        )}
        {sessions.length > 0 && <SessionTable sessions={sessions} />}
      </Panel>
      <More
        visible={list.hasNextPage}
        busy={list.isFetchingNextPage}
        onMore={() => void list.fetchNextPage()}
      />
    </>
  );
}

const SessionTable = ({ sessions }: { readonly sessions: readonly Session[] }) => (
  <table className="table">
    <thead>
      <tr>
        <th scope="col">Session</th>
        <th scope="col">Signed in</th>
        <th scope="col" className="wide-only">
          Last used
        </th>
        <th scope="col" className="wide-only">
          Ends
        </th>
        <th scope="col">
          <span className="visually-hidden">Actions</span>
        </th>
      </tr>
    </thead>
    <tbody>
      {sessions.map((session) => (
        <tr key={session.id}>
          <td>
            <span className="mono">{shortId(session.id)}</span>
            {session.current && <small className="beneath">this browser</small>}
          </td>
          <td>
            <Ago time={session.createTime} />
          </td>
          <td className="wide-only">
            <Ago time={session.lastUseTime} />
          </td>
          <td className="wide-only muted">
            <Ago time={session.expireTime} />
          </td>
          <td className="right">{!session.current && <Revoke session={session} />}</td>
        </tr>
      ))}
    </tbody>
  </table>
);

function Revoke({ session: { id } }: { readonly session: Session }) {
  const queries = useQueryClient();
  const revoke = useMutation(IdentityService.method.revokeSession);
  return (
    <Confirm
      trigger={
        <>
          Revoke<span className="visually-hidden"> session {shortId(id)}</span>
        </>
      }
      title={`Revoke session ${shortId(id)}`}
      effect="It is signed out within 5 seconds. If it was not you, change your password as well."
      action="Revoke"
      reason="none"
      onConfirm={async () => {
        await revoke.mutateAsync({ sessionId: id });
        notifyDone(`Session ${shortId(id)} was revoked`);
        await queries.invalidateQueries({
          queryKey: createConnectQueryKey({
            schema: IdentityService.method.listSessions,
            cardinality: undefined,
          }),
        });
      }}
    />
  );
}
