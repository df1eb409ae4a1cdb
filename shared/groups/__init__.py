"""The App Services behind one Traffic Manager profile: discover, observe, judge their health."""
