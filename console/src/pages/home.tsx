import { Failed } from "./home/failed.tsx";
import { FirstSession } from "./home/first-session.tsx";
import { Running } from "./home/running.tsx";
import { Today } from "./home/today.tsx";
import { Waiting } from "./home/waiting.tsx";
import { Page } from "./page.tsx";

/** What waits for me, what runs, what failed and why, and what it has cost today. */
export function HomePage() {
  return (
    <Page title="Home">
      <FirstSession />
      <Today />
      <div className="mt-6 grid gap-6 lg:grid-cols-2 [&>*]:min-w-0">
        <div className="space-y-6">
          <Waiting />
          <Running />
        </div>
        <Failed />
      </div>
    </Page>
  );
}
